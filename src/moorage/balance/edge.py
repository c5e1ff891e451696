"""Services + Nodes + which of them are healthy -> the ForwardingTable of the load balancer in front of the cluster.

    load-balancer address : port  ->  InternalIP : nodePort of the healthy nodes

The source is rewritten: a node answers to the edge, which alone can undo the translation. Only where nodes route their answers
to clients through the edge (`keep_source`), and the node does not rewrite it itself (policy Local), the Pods see the client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from moorage.balance.health import NO_CHECKS, Checks, Standing
from moorage.model.cluster import EXCLUDE_LABEL, Node, eligible
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
from moorage.model.reason import Reason
from moorage.model.service import CLASSES, EDGE, LOAD_BALANCER, Service, provider_of
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.table.checked_ports import CheckedPort, checked_ports
from moorage.table.claims import Claims, verdict
from moorage.table.facts import internal_addresses
from moorage.table.frontends import LOCAL, affinity_seconds
from moorage.table.ingress import PROXY_ANNOTATION, PROXY_VERSION, ingress_addresses
from moorage.table.select import State, Wanted, candidates, select
from moorage.table.slice_index import SliceIndex
from moorage.table.source_ranges import source_ranges
from moorage.table.types import (
    AddressKind,
    Backend,
    Choice,
    ForwardingTable,
    Frontend,
    FrontendAddress,
    Locality,
    TableNote,
)


class _Target(msgspec.Struct, frozen=True):
    """A healthy node at its first InternalIP of one family. A draining one keeps its connections and gets no new ones."""

    address: Address
    name: str
    draining: bool


_Targets = Mapping[Family, tuple[_Target, ...]]
"""Sorted by address, as the backends made from them have to be."""


class _Here(msgspec.Struct, frozen=True):
    """What is known besides a Service itself."""

    targets: _Targets
    slices: SliceIndex
    checks: Checks
    keep_source: bool


def edge_table(
    snapshot: Snapshot,
    healthy: frozenset[str],
    previous: ForwardingTable | None = None,
    checks: Checks = NO_CHECKS,
    keep_source: bool = False,
) -> ForwardingTable:
    """Frontends of every LoadBalancer Service whose provider is the edge, at each of its addresses and ports.

    A frontend without backends refuses, with reason NO_HEALTHY_NODE, or NO_READY_ENDPOINT where `externalTrafficPolicy: Local`
    asks for nodes with an endpoint and there is none. Frontends equal to those in `previous` are the same objects.
    `checks` are the answers at `healthCheckNodePort`s. `keep_source`: nodes answer clients by way of this machine.
    """
    services = snapshot.all(Service)
    local = any(each.spec.external_traffic_policy == LOCAL for each in services.values())
    slices = SliceIndex(snapshot.all(EndpointSlice).values() if local else ())
    here = _Here({family: _targets(snapshot, healthy, family) for family in Family}, slices, checks, keep_source)
    claims = Claims()
    notes: dict[Key, tuple[TableNote, ...]] = {}
    for key, service in services.items():
        said: list[TableNote] = []
        claims.put(service, tuple(_frontends(service, here, said)))
        notes[key] = tuple(said)
    return _table(claims, notes, previous or ForwardingTable())


def _table(claims: Claims, notes: Mapping[Key, tuple[TableNote, ...]], previous: ForwardingTable) -> ForwardingTable:
    services, everything, verdicts = {}, {}, {}
    for key, of_service in notes.items():
        granted = claims.granted(key)
        if granted.frontends:
            before = previous.services.get(key)
            services[key] = before if before == granted.frontends else granted.frontends
        said = (*of_service, *granted.notes)
        reason = verdict(said)
        if reason is not None:
            everything[key], verdicts[key] = said, reason
    return ForwardingTable(services, verdicts, Locality(), everything)


def everybody(snapshot: Snapshot, family: Family) -> tuple[Address, ...]:
    """The nodes that load balancers may use when they are healthy: the first InternalIP of one family, sorted."""
    return tuple(each.address for each in _targets(snapshot, frozenset(key.name for key in snapshot.all(Node)), family))


def _targets(snapshot: Snapshot, healthy: frozenset[str], family: Family) -> tuple[_Target, ...]:
    found: dict[Address, _Target] = {}
    for key, node in snapshot.all(Node).items():
        if key.name in healthy and EXCLUDE_LABEL not in node.metadata.labels:
            first = next((each for each in internal_addresses(node) if Family.of(each) is family), None)
            if first is not None:
                found.setdefault(first, _Target(first, key.name, not eligible(node)))
    return tuple(sorted(found.values(), key=lambda each: int(each.address)))


def _frontends(service: Service, here: _Here, notes: list[TableNote]) -> Iterator[Frontend]:
    if provider_of(service) != EDGE:
        asked = service.spec.load_balancer_class if service.spec.type == LOAD_BALANCER else None
        if asked and asked not in CLASSES:
            notes.append(TableNote(Reason.OTHER_CLASS, f'spec.loadBalancerClass: "{asked}" is another load balancer\'s'))
        return
    addresses = ingress_addresses(service)
    if not addresses:
        return
    affinity = affinity_seconds(service)
    rewritten = not (here.keep_source and service.spec.external_traffic_policy == LOCAL)
    notes += _proxy_notes(service)
    for port in checked_ports(service, notes):
        if not port.node_port:
            message = f'port "{port.name}" ({port.port}) has no NodePort, by which alone this load balancer reaches the nodes'
            notes.append(TableNote(Reason.UNSUPPORTED, message))
            continue
        for address in addresses:
            match = FrontendAddress(address, port.protocol, port.port)
            choice = _choice(service, port, Family.of(address), here)
            sources = source_ranges(service, address, (), notes)
            yield Frontend(match, AddressKind.LOAD_BALANCER, choice, None, rewritten, affinity, sources, port.name, True)


def _proxy_notes(service: Service) -> Iterator[TableNote]:
    asked = service.metadata.annotations.get(PROXY_ANNOTATION)
    if asked is None:
        return
    if asked != PROXY_VERSION:
        message = f'metadata.annotations[{PROXY_ANNOTATION}]: "{asked}" is not {PROXY_VERSION}: no PROXY header is sent'
        yield TableNote(Reason.UNSUPPORTED, message)
        return
    for port in service.spec.ports:
        if port.protocol not in ("", Protocol.TCP.value):
            message = f'port "{port.name}" ({port.port}) is forwarded without a PROXY header, which is for TCP'
            yield TableNote(Reason.UNSUPPORTED, message)


def _choice(service: Service, port: CheckedPort, family: Family, here: _Here) -> Choice:
    """The nodes to use.

    Policy Cluster: nodes that are not about to go away, or all if none stays. Policy Local: those with an endpoint that takes
    connections, draining or not, since their endpoints are all there is; where any is ready, those that say so themselves.
    """
    usable: Sequence[_Target] = here.targets[family]
    if service.spec.external_traffic_policy == LOCAL:
        known = candidates(here.slices.of(service.key), Wanted(family, port.name, port.protocol))
        chosen = select(known)
        if not chosen.backends:
            return chosen
        hosts = {each.node for each in chosen.backends}
        usable = [each for each in usable if each.name in hosts]
        if any(each.state is State.READY for each in known.endpoints):
            usable = _saying_yes(usable, here.checks.get(service.key, {}))
    else:
        usable = [each for each in usable if not each.draining] or usable
    backends = tuple(Backend.at(each.address, port.node_port, each.name) for each in usable)
    return Choice(backends, Reason.FORWARDED if backends else Reason.NO_HEALTHY_NODE)


def _saying_yes(usable: Sequence[_Target], standings: Mapping[str, Standing]) -> Sequence[_Target]:
    """Without the nodes that deny at the Service's `healthCheckNodePort` that they have a ready endpoint. Those that have not
    answered yet come second: the EndpointSlices name them, and their agents may not have heard it yet.
    """
    by_standing: dict[Standing, list[_Target]] = {standing: [] for standing in Standing}
    for each in usable:
        by_standing[standings.get(each.name, Standing.HEALTHY)].append(each)
    return by_standing[Standing.HEALTHY] or by_standing[Standing.UNKNOWN]
