"""One Service and its slices -> the frontends that a node serves for it, before other Services are looked at.

    ClusterIPs                         reachable from the cluster, internalTrafficPolicy
    NodePort at each node address      reachable from anywhere, externalTrafficPolicy
    load-balancer and external IPs     likewise

Source: `core/v1` ServiceSpec; the rules are those of kube-proxy 1.36 except where a note says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from moorage.model.net import Address, Family, parse_address
from moorage.model.reason import Reason
from moorage.model.service import EXTERNAL_NAME, HEADLESS, Service
from moorage.model.slices import PROXY_NAME_LABEL, EndpointSlice
from moorage.table.checked_ports import CheckedPort, checked_ports
from moorage.table.ingress import ingress_addresses
from moorage.table.select import Selection, candidates, select
from moorage.table.topology import Near
from moorage.table.types import Frontend, FrontendAddress, NoBackend, NodeFacts, Scope, TableNote

LOCAL = "Local"
"""The value of both traffic policies that keeps connections on the node."""


class Compiled(msgspec.Struct, frozen=True):
    """What a Service asks of the node. No frontend address occurs twice in it."""

    frontends: tuple[Frontend, ...] = ()
    notes: tuple[TableNote, ...] = ()


class _Vips(msgspec.Struct, frozen=True):
    """The addresses of a Service by how they are served."""

    internal: tuple[Address, ...]
    external: tuple[Address, ...]
    families: frozenset[Family]


def compile_service(service: Service, slices: Collection[EndpointSlice], facts: NodeFacts) -> Compiled:
    """Never fails: what cannot be used in the objects is left out and noted, the rest is served."""
    refusal = _not_forwarded(service)
    if refusal is not None:
        return Compiled(notes=(refusal,))
    notes: list[TableNote] = []
    vips, near = _vips(service, notes), Near(facts.name, facts.zone)
    frontends: dict[FrontendAddress, Frontend] = {}
    for port in checked_ports(service, notes):
        for family in sorted(vips.families, key=lambda each: each.bits):
            known = candidates(slices, family, port.name, port.protocol)
            notes += known.notes
            local = facts.name if service.spec.internal_traffic_policy == LOCAL else None
            inside = select(known, local, near)
            for address in _of(family, vips.internal):
                match = FrontendAddress(address, port.protocol, port.port)
                frontends.setdefault(match, _frontend(match, Scope.CLUSTER, inside, port.name))
            local = facts.name if service.spec.external_traffic_policy == LOCAL else None
            outside = inside if local is None and service.spec.internal_traffic_policy != LOCAL else select(known, local, near)
            for match in _external_matches(port, family, vips, facts):
                frontend = _frontend(match, Scope.ANYWHERE, outside, port.name, masquerade=local is None)
                frontends.setdefault(match, frontend)
    notes += unsupported(service)
    return Compiled(tuple(frontends.values()), tuple(dict.fromkeys(notes)))


def _not_forwarded(service: Service) -> TableNote | None:
    """Why a whole Service is none of the node's business, if so."""
    spec = service.spec
    if PROXY_NAME_LABEL in service.metadata.labels:
        name = service.metadata.labels[PROXY_NAME_LABEL]
        return TableNote(Reason.OTHER_PROXY, f'the label {PROXY_NAME_LABEL} leaves the Service to "{name}"')
    if spec.type == EXTERNAL_NAME:
        return TableNote(Reason.EXTERNAL_NAME, f"the Service is an alias of {spec.external_name} in DNS")
    if spec.cluster_ip == HEADLESS:
        return TableNote(Reason.HEADLESS, "the Service has no ClusterIP: DNS answers with the addresses of its endpoints")
    if not spec.cluster_ip and not spec.cluster_ips:
        return TableNote(Reason.INVALID_OBJECT, "spec.clusterIP: no address was allocated")
    return None


def _vips(service: Service, notes: list[TableNote]) -> _Vips:
    spec = service.spec
    internal = _addresses("spec.clusterIPs", spec.cluster_ips or (spec.cluster_ip,), notes)
    asked = frozenset(Family(each) for each in spec.ip_families if each in ("IPv4", "IPv6"))
    families = asked or frozenset(Family.of(each) for each in internal)
    ingress = [each.ip for each in service.status.load_balancer.ingress if each.ip]
    _addresses("status.loadBalancer.ingress", ingress, notes)
    external = (*ingress_addresses(service, short_cut=True), *_addresses("spec.externalIPs", spec.external_ips, notes))
    for address in external:
        if Family.of(address) not in families:
            notes.append(TableNote(Reason.INVALID_OBJECT, f"{address} is of a family that the Service does not have"))
    return _Vips(internal, external, families)


def _addresses(field: str, texts: Iterable[str], notes: list[TableNote]) -> tuple[Address, ...]:
    good = []
    for text in texts:
        address = parse_address(text)
        if address is None:
            notes.append(TableNote(Reason.INVALID_OBJECT, f'{field}: "{text}" is no IP address'))
        else:
            good.append(address)
    return tuple(good)


def _external_matches(port: CheckedPort, family: Family, vips: _Vips, facts: NodeFacts) -> Iterator[FrontendAddress]:
    if port.node_port:
        for address in _of(family, facts.addresses):
            yield FrontendAddress(address, port.protocol, port.node_port)
    for address in _of(family, vips.external):
        yield FrontendAddress(address, port.protocol, port.port)


def _frontend(match: FrontendAddress, scope: Scope, chosen: Selection, name: str, masquerade: bool = False) -> Frontend:
    """Without a local endpoint packets are dropped: the client tries again while its load balancer turns elsewhere."""
    without = NoBackend.DROP if chosen.reason is Reason.NO_LOCAL_ENDPOINT else NoBackend.REJECT
    return Frontend(match, scope, chosen.backends, masquerade, without, chosen.reason, name, chosen.narrowed)


def _of(family: Family, addresses: Iterable[Address]) -> Iterator[Address]:
    return (each for each in addresses if Family.of(each) is family)


def unsupported(service: Service) -> Iterator[TableNote]:
    """What the Service asks for and does not get; it is forwarded without."""
    spec = service.spec
    if spec.session_affinity == "ClientIP":
        yield TableNote(
            Reason.UNSUPPORTED,
            "spec.sessionAffinity: ClientIP is not kept; connections of one client are spread over all endpoints",
        )
    if spec.load_balancer_source_ranges:
        yield TableNote(Reason.UNSUPPORTED, "spec.loadBalancerSourceRanges: not enforced; clients of every source are admitted")
