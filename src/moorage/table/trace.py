"""A packet and a table -> where it goes, and why: an independent second reading of the table.

It judges datapaths (the same packet goes through here and through the kernel) and is what `moorage trace` prints. It reads
plainly and in order; it shares nothing with the code that writes tables or renders them.
"""

from __future__ import annotations

import enum

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address, Prefix, Protocol
from moorage.model.reason import Reason
from moorage.table.types import (
    ANY_ADDRESS,
    AddressKind,
    Backend,
    Choice,
    ForwardingTable,
    Frontend,
    Locality,
    NoBackend,
    NodeFacts,
)
from moorage.table.weights import shares


class Packet(msgspec.Struct, frozen=True):
    """The first packet of a connection as it arrives at the node. `local` marks one sent by a process of the node itself.

    `protocol` None is an echo request (ICMP, ICMPv6); `destination_port` is then 0.
    """

    source: Address
    destination: Address
    protocol: Protocol | None
    destination_port: int
    local: bool = False


class Action(enum.Enum):
    FORWARD = "forward"
    """To one of the deliveries, each as likely as its weight says."""
    ANSWER = "answer"
    """An echo request that the node answers in the name of the Service."""
    REJECT = "reject"
    """Refused: TCP reset, ICMP port unreachable, or for an echo request host unreachable."""
    DROP = "drop"
    """Discarded without an answer."""
    ROUTE = "route"
    """Not a Service's: routed or received as any other packet."""


class Source(enum.Enum):
    """Whose address the backend sees."""

    KEPT = "kept"
    NODE = "node"


class Delivery(msgspec.Struct, frozen=True):
    """One possible end of the way. `share` is how likely it is, between 0 and 1; those of a verdict add up to 1.

    The backend of a port range has the port that the packet was sent to.
    """

    backend: Backend
    source: Source
    share: float = 1.0


class Step(msgspec.Struct, frozen=True):
    """One decision, with a sentence for people."""

    reason: Reason
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """`reason` is that of the deciding step. `service` and `frontend` are None where no frontend matches."""

    action: Action
    reason: Reason
    steps: tuple[Step, ...]
    deliveries: tuple[Delivery, ...] = ()
    service: Key | None = None
    frontend: Frontend | None = None

    @property
    def backends(self) -> tuple[Backend, ...]:
        return tuple(each.backend for each in self.deliveries)


def trace(table: ForwardingTable, facts: NodeFacts, packet: Packet) -> Verdict:
    """What the node does with the packet. Its cost grows with the size of the table."""
    owner = _cluster_ip_of(table, packet.destination)
    if owner is not None and not _from_inside(table.locality, facts, packet):
        text = f"{packet.destination} is a ClusterIP of {owner}, and {packet.source} is outside the cluster: dropped"
        return _end(Action.DROP, Reason.NOT_FROM_CLUSTER, text, owner)
    if packet.protocol is None:
        return _ping(table, packet)
    found = _find(table, facts, packet.destination, packet.protocol, packet.destination_port)
    if found is not None:
        return _admitted(facts, table.locality, packet, *found)
    place = f"{packet.destination} port {packet.destination_port}/{packet.protocol.value.lower()}"
    if owner is not None:
        text = f"{packet.destination} is a ClusterIP of {owner}, which has no such port: {packet.destination_port}"
        return _end(Action.REJECT, Reason.NO_SUCH_PORT, text, owner)
    balanced = _balanced(table, packet.destination)
    if balanced is not None:
        text = (
            f"{packet.destination} is a load-balancer address of {balanced}, which has no such port: {packet.destination_port}"
        )
        return _end(Action.REJECT, Reason.NO_SUCH_PORT, text, balanced)
    return _unowned(table, packet, place)


def _find(
    table: ForwardingTable, facts: NodeFacts, address: Address, protocol: Protocol, port: int
) -> tuple[Key, Frontend] | None:
    """An address that is a Service's own comes before the NodePorts of the node's addresses, a single port before a range."""
    found = table.find(address, protocol, port)
    if found is not None and not found[1].match.last:
        return found
    of_node = address in facts.addresses or address.is_loopback
    if of_node and _in(address, table.locality.node_port_addresses):
        any_address = next(each for each in ANY_ADDRESS.values() if each.version == address.version)
        return table.find(any_address, protocol, port) or found
    return found


def _cluster_ip_of(table: ForwardingTable, address: Address) -> Key | None:
    """The Service whose ClusterIP this is. All ports of it are the Service's; any other address may be somebody's own."""
    for service, frontends in table.services.items():
        if any(each.kind is AddressKind.CLUSTER_IP and each.match.address == address for each in frontends):
            return service
    return None


def _balanced(table: ForwardingTable, address: Address) -> Key | None:
    """The Service that a load balancer of ours brings this address for, unless one of its ports is left to the machine."""
    found = [
        (service, each)
        for service, frontends in table.services.items()
        for each in frontends
        if each.kind is AddressKind.LOAD_BALANCER and each.match.address == address
    ]
    if not found or any(each.choice.without_backend is NoBackend.LEAVE for _, each in found):
        return None
    return found[0][0]


def _ping(table: ForwardingTable, packet: Packet) -> Verdict:
    """An address answers while one of its ports has a backend on this node's account."""
    asked = [
        (service, each)
        for service, frontends in table.services.items()
        for each in frontends
        if each.kind.whole and each.match.address == packet.destination
    ]
    if not asked:
        return _unowned(table, packet, f"{packet.destination}")
    service, frontend = next(((key, each) for key, each in asked if each.serves), asked[0])
    whose = f"{packet.destination} is a {frontend.kind.value} address of {service}"
    if frontend.serves:
        return _end(Action.ANSWER, Reason.PING_ANSWERED, f"{whose}, which has backends: the node answers", service)
    return _end(Action.REJECT, frontend.reason, f"{whose}, which has no backend here: host unreachable", service)


def _unowned(table: ForwardingTable, packet: Packet, place: str) -> Verdict:
    if _in(packet.destination, table.locality.service_cidrs):
        return _end(Action.DROP, Reason.NOT_ALLOCATED, f"{place} is in the range of ClusterIPs, and no Service has it: dropped")
    return _end(Action.ROUTE, Reason.NOT_A_SERVICE, f"{place} is no Service's")


def _end(action: Action, reason: Reason, text: str, service: Key | None = None) -> Verdict:
    return Verdict(action, reason, (Step(reason, text),), (), service)


def _admitted(facts: NodeFacts, locality: Locality, packet: Packet, service: Key, frontend: Frontend) -> Verdict:
    """What becomes of a packet to a frontend that its client is, or is not, let in to."""
    port = f"port {frontend.port_name} of " if frontend.port_name else ""
    steps = [Step(Reason.FRONTEND_FOUND, f"{frontend.match} is {port}the Service {service}")]
    if frontend.sources and not _in(packet.source, frontend.sources):
        ranges = ", ".join(map(str, frontend.sources))
        steps.append(
            Step(Reason.SOURCE_NOT_ALLOWED, f"only {ranges} may connect, and {packet.source} is not among them: dropped")
        )
        return Verdict(Action.DROP, Reason.SOURCE_NOT_ALLOWED, tuple(steps), (), service, frontend)
    choice = frontend.choice
    if frontend.inside is not None and (_is_own(facts, packet) or _in(packet.source, locality.pods_here)):
        choice = frontend.inside
        steps.append(Step(Reason.SHORT_CIRCUIT, f"{packet.source} is on node {facts.name} itself: it may use every endpoint"))
    return _through(facts, packet, Verdict(Action.FORWARD, Reason.FORWARDED, tuple(steps), (), service, frontend), choice)


def _through(facts: NodeFacts, packet: Packet, begun: Verdict, choice: Choice) -> Verdict:
    """What becomes of a packet that may use these backends."""
    frontend, steps = begun.frontend, list(begun.steps)
    assert frontend is not None
    if choice.without_backend is NoBackend.LEAVE and not choice.backends:
        steps.append(Step(choice.reason, f"a proxy on {facts.name} itself takes the connection"))
        return Verdict(Action.ROUTE, choice.reason, tuple(steps), (), begun.service, frontend)
    if not choice.backends:
        action, word = (Action.DROP, "dropped") if choice.without_backend is NoBackend.DROP else (Action.REJECT, "refused")
        steps.append(Step(choice.reason, f"there is no backend that node {facts.name} may use: the connection is {word}"))
        return Verdict(action, choice.reason, tuple(steps), (), begun.service, frontend)
    counts = shares(choice.backends)
    total = sum(counts.values())
    deliveries = tuple(
        Delivery(_at(each, packet.destination_port), _source(facts, frontend, each, packet), counts[each] / total)
        for each in choice.backends
    )
    if choice.narrowed is not None:
        steps.append(Step(choice.narrowed, f"{_NARROWED[choice.narrowed]} {facts.name} are used, as their hints say"))
    if frontend.affinity:
        steps.append(
            Step(Reason.SESSION_AFFINITY, f"{packet.source} keeps its backend for {frontend.affinity} s after each connection")
        )
    if frontend.consistent:
        of = f"{packet.source}" if frontend.affinity else f"{packet.source} and its port"
        steps.append(Step(Reason.CONSISTENT_CHOICE, f"a hash of {of} chooses the backend, on every load balancer alike"))
    steps += _source_steps(frontend, deliveries, packet)
    steps.append(Step(Reason.FORWARDED, f"to one of {len(deliveries)}: {_listed(deliveries)}"))
    return Verdict(Action.FORWARD, Reason.FORWARDED, tuple(steps), deliveries, begun.service, frontend)


def _at(backend: Backend, port: int) -> Backend:
    return backend if backend.port else Backend.at(backend.address, port, backend.node, backend.weight)


_NARROWED = {
    Reason.SAME_ZONE: "only endpoints for the zone of node",
    Reason.SAME_NODE: "only endpoints for node",
}


def _is_own(facts: NodeFacts, packet: Packet) -> bool:
    return packet.local or packet.source in facts.addresses


def _from_inside(locality: Locality, facts: NodeFacts, packet: Packet) -> bool:
    return _is_own(facts, packet) or _in(packet.source, locality.cluster_sources)


def _in(address: Address, prefixes: tuple[Prefix, ...]) -> bool:
    return any(address.version == each.version and address in each for each in prefixes)


def _source(facts: NodeFacts, frontend: Frontend, backend: Backend, packet: Packet) -> Source:
    """A connection that ends on the node itself never leaves it: its source stays as it is, unless the node also began it and
    the frontend asks for masquerading.
    """
    if backend.address in facts.addresses:
        return Source.NODE if packet.local and frontend.masquerade else Source.KEPT
    if frontend.masquerade or packet.local:
        return Source.NODE
    return Source.NODE if backend.address == packet.source else Source.KEPT


def _source_steps(frontend: Frontend, deliveries: tuple[Delivery, ...], packet: Packet) -> list[Step]:
    kept = any(each.source is Source.KEPT for each in deliveries)
    node = any(each.source is Source.NODE for each in deliveries)
    steps = []
    if kept:
        steps.append(Step(Reason.SOURCE_KEPT, f"the backend sees {packet.source}"))
    if node and (frontend.masquerade or packet.local):
        steps.append(Step(Reason.MASQUERADED, f"the backend sees the node's address in place of {packet.source}"))
    elif node:
        steps.append(Step(Reason.HAIRPIN, f"should {packet.source} be chosen itself, it sees the node's address"))
    return steps


def _listed(deliveries: tuple[Delivery, ...], shown: int = 3) -> str:
    alike = len({each.share for each in deliveries}) == 1
    names = [str(each.backend) if alike else f"{each.backend} ({each.share:.0%})" for each in deliveries[:shown]]
    return ", ".join(names) + (", ..." if len(deliveries) > shown else "")
