"""One Service and its slices -> the frontends that a node serves for it, before other Services are looked at.

    ClusterIPs                         reachable from the cluster, internalTrafficPolicy
    NodePort                           reachable from anywhere, externalTrafficPolicy
    load-balancer and external IPs     likewise

Under `externalTrafficPolicy: Local`, the node's own Pods and processes still have all endpoints: their way out to a load
balancer and back is cut short. Source: `core/v1` ServiceSpec; the rules are those of kube-proxy 1.36 except where a note says
otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from moorage.model.meta import Object
from moorage.model.net import Address, Family, Prefix, parse_address
from moorage.model.reason import Reason
from moorage.model.service import EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, Service, provider_of
from moorage.model.slices import HEADLESS_LABEL, PROXY_NAME_LABEL, EndpointSlice
from moorage.table.checked_ports import checked_ports
from moorage.table.ingress import ingress_addresses, servable
from moorage.table.select import Wanted, candidates, ready_on, select
from moorage.table.source_ranges import source_ranges
from moorage.table.topology import Near
from moorage.table.types import (
    ANY_ADDRESS,
    AddressKind,
    Choice,
    Frontend,
    FrontendAddress,
    LocalCheck,
    NodeFacts,
    TableNote,
)

LOCAL = "Local"
"""The value of both traffic policies that keeps connections on the node."""

DEFAULT_AFFINITY_SECONDS = 10800
"""`sessionAffinityConfig.clientIP.timeoutSeconds` where nothing is said (`core/v1`)."""
MOST_AFFINITY_SECONDS = 86400
"""The longest that the API takes; more is cut to it."""


BALANCED = (AddressKind.LOAD_BALANCER, AddressKind.OTHERS_LOAD_BALANCER)


class Compiled(msgspec.Struct, frozen=True):
    """What a Service asks of the node. No frontend address occurs twice in it."""

    frontends: tuple[Frontend, ...] = ()
    notes: tuple[TableNote, ...] = ()
    check: LocalCheck | None = None


class _Vip(msgspec.Struct, frozen=True):
    """One address of a Service."""

    address: Address
    kind: AddressKind


class _Policies(msgspec.Struct, frozen=True):
    """The choices of one port in one family. `inside` is for the node itself where `outside` is narrower."""

    cluster_ip: Choice
    outside: Choice
    inside: Choice | None
    masquerade: bool


def compile_service(service: Service, slices: Collection[EndpointSlice], facts: NodeFacts) -> Compiled:
    """Never fails: what cannot be used in the objects is left out and noted, the rest is served."""
    refusal = _not_forwarded(service)
    if refusal is not None:
        return Compiled(notes=(refusal,))
    notes: list[TableNote] = []
    slices = [each for each in slices if not _is_others(each)]
    vips = _vips(service, notes)
    families = _families(service, vips, notes)
    affinity = affinity_seconds(service)
    frontends: dict[FrontendAddress, Frontend] = {}
    for port in checked_ports(service, notes):
        for family in families:
            policies = _policies(
                service, slices, Wanted(family, port.name, port.protocol, 0 if port.last else None), facts, notes
            )
            for vip in vips:
                if Family.of(vip.address) is family:
                    match = FrontendAddress(vip.address, port.protocol, port.port, port.last)
                    sources = _sources(service, vip, facts, notes)
                    frontends.setdefault(match, _frontend(match, vip.kind, policies, affinity, sources, port.name))
            if port.node_port:
                if port.last:
                    first = Wanted(family, port.name, port.protocol, port.port)
                    policies = _policies(service, slices, first, facts, notes)
                match = FrontendAddress(ANY_ADDRESS[family], port.protocol, port.node_port)
                frontends.setdefault(match, _frontend(match, AddressKind.NODE_PORT, policies, affinity, (), port.name))
    return Compiled(tuple(frontends.values()), tuple(dict.fromkeys(notes)), _check(service, slices, facts))


def affinity_seconds(service: Service) -> int:
    """How long a client stays with its endpoint after its last connection; 0 without `sessionAffinity: ClientIP`."""
    spec = service.spec
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    asked = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return min(asked, MOST_AFFINITY_SECONDS) if asked is not None and asked > 0 else DEFAULT_AFFINITY_SECONDS


def _is_others(obj: Object) -> bool:
    """Whether the labels say that this kind of proxy has nothing to do with an object (kube-proxy's informers leave it out)."""
    return PROXY_NAME_LABEL in obj.metadata.labels or HEADLESS_LABEL in obj.metadata.labels


def _not_forwarded(service: Service) -> TableNote | None:
    """Why a whole Service is none of the node's business, if so."""
    spec, labels = service.spec, service.metadata.labels
    if PROXY_NAME_LABEL in labels:
        return TableNote(Reason.OTHER_PROXY, f'the label {PROXY_NAME_LABEL} leaves the Service to "{labels[PROXY_NAME_LABEL]}"')
    if spec.type == EXTERNAL_NAME:
        return TableNote(Reason.EXTERNAL_NAME, f"the Service is an alias of {spec.external_name} in DNS")
    if spec.cluster_ip == HEADLESS:
        return TableNote(Reason.HEADLESS, "the Service has no ClusterIP: DNS answers with the addresses of its endpoints")
    if HEADLESS_LABEL in labels:
        return TableNote(Reason.HEADLESS, f"the label {HEADLESS_LABEL} says that nothing is to be forwarded")
    if not spec.cluster_ip and not spec.cluster_ips:
        return TableNote(Reason.INVALID_OBJECT, "spec.clusterIP: no address was allocated")
    return None


def _vips(service: Service, notes: list[TableNote]) -> tuple[_Vip, ...]:
    """Every address but those of the node, in order of precedence where one is given twice."""
    spec = service.spec
    internal = _addresses("spec.clusterIPs", spec.cluster_ips or (spec.cluster_ip,), notes)
    ingress = [each.ip for each in service.status.load_balancer.ingress if each.ip]
    _addresses("status.loadBalancer.ingress", ingress, notes)
    external = _addresses("spec.externalIPs", spec.external_ips, notes)
    balanced = AddressKind.LOAD_BALANCER if provider_of(service) else AddressKind.OTHERS_LOAD_BALANCER
    return (
        *(_Vip(each, AddressKind.CLUSTER_IP) for each in internal),
        *(_Vip(each, balanced) for each in ingress_addresses(service, short_cut=True)),
        *(_Vip(each, AddressKind.EXTERNAL_IP) for each in external),
    )


def _families(service: Service, vips: Iterable[_Vip], notes: list[TableNote]) -> list[Family]:
    """Those of the Service, IPv4 first. External addresses of another one are noted."""
    asked = {Family(each) for each in service.spec.ip_families if each in ("IPv4", "IPv6")}
    internal = {Family.of(each.address) for each in vips if each.kind is AddressKind.CLUSTER_IP}
    families = asked or internal
    for each in vips:
        if each.kind is not AddressKind.CLUSTER_IP and Family.of(each.address) not in families:
            notes.append(TableNote(Reason.INVALID_OBJECT, f"{each.address} is of a family that the Service does not have"))
    return sorted(families, key=lambda each: each.bits)


def _addresses(field: str, texts: Iterable[str], notes: list[TableNote]) -> tuple[Address, ...]:
    good = []
    for text in texts:
        address = parse_address(text)
        if address is None:
            notes.append(TableNote(Reason.INVALID_OBJECT, f'{field}: "{text}" is no IP address'))
        elif not servable(address):
            notes.append(TableNote(Reason.INVALID_OBJECT, f'{field}: "{text}" is no address that a Service can have'))
        else:
            good.append(address)
    return tuple(good)


def _policies(
    service: Service, slices: Collection[EndpointSlice], wanted: Wanted, facts: NodeFacts, notes: list[TableNote]
) -> _Policies:
    known = candidates(slices, wanted, facts.weights)
    notes += known.notes
    anywhere = select(known, None, Near(facts.name, facts.zone))
    inside_local = service.spec.internal_traffic_policy == LOCAL
    outside_local = service.spec.external_traffic_policy == LOCAL
    here = select(known, facts.name) if inside_local or outside_local else anywhere
    outside = here if outside_local else anywhere
    return _Policies(
        cluster_ip=here if inside_local else anywhere,
        outside=outside,
        inside=anywhere if outside.backends != anywhere.backends else None,
        masquerade=not outside_local,
    )


def _sources(service: Service, vip: _Vip, facts: NodeFacts, notes: list[TableNote]) -> tuple[Prefix, ...]:
    """Source ranges hold for load-balancer addresses only, as kube-proxy has it."""
    if vip.kind not in BALANCED or not service.spec.load_balancer_source_ranges:
        return ()
    return source_ranges(service, vip.address, facts.addresses, notes)


def _frontend(
    match: FrontendAddress, kind: AddressKind, policies: _Policies, affinity: int, sources: tuple[Prefix, ...], name: str
) -> Frontend:
    if kind is AddressKind.CLUSTER_IP:
        return Frontend(match, kind, policies.cluster_ip, affinity=affinity, port_name=name)
    return Frontend(match, kind, policies.outside, policies.inside, policies.masquerade, affinity, sources, name)


def _check(service: Service, slices: Collection[EndpointSlice], facts: NodeFacts) -> LocalCheck | None:
    """What a load balancer may ask this node (`core/v1` `spec.healthCheckNodePort`). Each ready address counts once, however
    many ports it has (kube-proxy 1.36 `LocalReadyEndpoints`).
    """
    spec = service.spec
    if spec.type != LOAD_BALANCER or spec.external_traffic_policy != LOCAL or not 0 < spec.health_check_node_port < 65536:
        return None
    here: set[bytes] = set()
    for port in checked_ports(service, []):
        for family in Family:
            here |= ready_on(candidates(slices, Wanted(family, port.name, port.protocol)), facts.name)
    return LocalCheck(spec.health_check_node_port, len(here))
