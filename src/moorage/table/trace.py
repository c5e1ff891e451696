"""A packet and a table -> where it goes, and why: an independent second reading of the table.

It judges datapaths (the same packet goes through here and through the kernel) and is what `moorage trace` prints. It reads
plainly and in order; it shares nothing with the code that writes tables or renders them.
"""

from __future__ import annotations

import enum

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address, Protocol
from moorage.model.reason import Reason
from moorage.table.types import Backend, ForwardingTable, Frontend, FrontendAddress, NoBackend, NodeFacts, Scope


class Packet(msgspec.Struct, frozen=True):
    """The first packet of a connection as it arrives at the node. `local` marks one sent by a process of the node itself."""

    source: Address
    destination: Address
    protocol: Protocol
    destination_port: int
    local: bool = False


class Action(enum.Enum):
    FORWARD = "forward"
    """To one of the deliveries, each as likely as any other."""
    REJECT = "reject"
    """Refused: TCP reset or ICMP port unreachable."""
    DROP = "drop"
    """Discarded without an answer."""
    ROUTE = "route"
    """Not a Service's: routed or received as any other packet."""


class Source(enum.Enum):
    """Whose address the backend sees."""

    KEPT = "kept"
    NODE = "node"


class Delivery(msgspec.Struct, frozen=True):
    """One possible end of the way."""

    backend: Backend
    source: Source


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
    match = FrontendAddress(packet.destination, packet.protocol, packet.destination_port)
    owner = _cluster_ip_of(table, packet.destination)
    if owner is not None and not _from_inside(table, facts, packet):
        text = f"{packet.destination} is a ClusterIP of {owner}, and {packet.source} is outside the cluster: dropped"
        return Verdict(Action.DROP, Reason.NOT_FROM_CLUSTER, (Step(Reason.NOT_FROM_CLUSTER, text),), (), owner)
    found = table.find(match)
    if found is not None:
        return _through(facts, packet, *found)
    if owner is not None:
        step = Step(Reason.NO_SUCH_PORT, f"{packet.destination} is a ClusterIP of {owner}, which has no such port: {match}")
        return Verdict(Action.REJECT, Reason.NO_SUCH_PORT, (step,), (), owner)
    return Verdict(Action.ROUTE, Reason.NOT_A_SERVICE, (Step(Reason.NOT_A_SERVICE, f"{match} is no Service's"),))


def _cluster_ip_of(table: ForwardingTable, address: Address) -> Key | None:
    """The Service whose ClusterIP this is. All ports of it are the Service's; any other address may be somebody's own."""
    for service, frontends in table.services.items():
        if any(each.scope is Scope.CLUSTER and each.match.address == address for each in frontends):
            return service
    return None


def _through(facts: NodeFacts, packet: Packet, service: Key, frontend: Frontend) -> Verdict:
    """What becomes of a packet that may use the frontend."""
    port = f"port {frontend.port_name} of " if frontend.port_name else ""
    steps = [Step(Reason.FRONTEND_FOUND, f"{frontend.match} is {port}the Service {service}")]
    if not frontend.backends:
        action, word = (Action.DROP, "dropped") if frontend.without_backend is NoBackend.DROP else (Action.REJECT, "refused")
        steps.append(Step(frontend.reason, f"there is no backend that node {facts.name} may use: the connection is {word}"))
        return Verdict(action, frontend.reason, tuple(steps), (), service, frontend)
    deliveries = tuple(Delivery(each, _source(facts, frontend, each, packet)) for each in frontend.backends)
    if frontend.narrowed is not None:
        steps.append(Step(frontend.narrowed, f"{_NARROWED[frontend.narrowed]} {facts.name} are used, as their hints say"))
    steps += _source_steps(frontend, deliveries, packet)
    steps.append(Step(Reason.FORWARDED, f"to one of {len(deliveries)}: {_listed(frontend.backends)}"))
    return Verdict(Action.FORWARD, Reason.FORWARDED, tuple(steps), deliveries, service, frontend)


_NARROWED = {
    Reason.SAME_ZONE: "only endpoints for the zone of node",
    Reason.SAME_NODE: "only endpoints for node",
}


def _from_inside(table: ForwardingTable, facts: NodeFacts, packet: Packet) -> bool:
    if packet.local or packet.source in facts.addresses:
        return True
    return any(packet.source.version == each.version and packet.source in each for each in table.cluster_sources)


def _source(facts: NodeFacts, frontend: Frontend, backend: Backend, packet: Packet) -> Source:
    """A node that reaches itself keeps its address: that packet never leaves it."""
    hairpin = backend.address == packet.source and not packet.local and packet.source not in facts.addresses
    return Source.NODE if frontend.masquerade or hairpin else Source.KEPT


def _source_steps(frontend: Frontend, deliveries: tuple[Delivery, ...], packet: Packet) -> list[Step]:
    if frontend.masquerade:
        return [Step(Reason.MASQUERADED, f"the backend sees the node's address in place of {packet.source}")]
    steps = []
    if any(each.source is Source.KEPT for each in deliveries):
        steps.append(Step(Reason.SOURCE_KEPT, f"the backend sees {packet.source}"))
    if any(each.source is Source.NODE for each in deliveries):
        steps.append(Step(Reason.HAIRPIN, f"should {packet.source} be chosen itself, it sees the node's address"))
    return steps


def _listed(backends: tuple[Backend, ...], shown: int = 3) -> str:
    names = [f"{_host(each.address)}:{each.port}" for each in backends[:shown]]
    return ", ".join(names) + (", ..." if len(backends) > shown else "")


def _host(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
