"""The forwarding table: every traffic decision for one node, as data. Datapaths render it; they never see a Service.

ForwardingTable
  services: ServiceName -> tuple of Frontend      what the node must do, one entry per Service
  verdicts: ServiceName -> Reason                 why a Service has no frontends, or which part is missing
  notes:    ServiceName -> tuple of TableNote     the same in full: every reason with its sentence, the verdict's first

Backends and frontends hold no references that could form a cycle, so the garbage collector leaves them alone (`gc=False`): a
large table has 250,000 of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address, Prefix, Protocol
from moorage.model.reason import Reason


class Scope(enum.Enum):
    """From where a frontend may be reached."""

    CLUSTER = "cluster"
    """Only from `NodeFacts.cluster_sources` and the node itself: ClusterIPs. It holds for the address with all its ports."""
    ANYWHERE = "anywhere"
    """NodePorts, load-balancer and external addresses."""


class Backend(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a connection may go. `node` is the node it lives on, empty where unknown."""

    address: Address
    port: int
    node: str = ""


class FrontendAddress(msgspec.Struct, frozen=True, gc=False):
    """What a packet is matched by."""

    address: Address
    protocol: Protocol
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}/{self.protocol.value.lower()}"


class NoBackend(enum.Enum):
    """What becomes of a packet to a frontend without backends."""

    REJECT = "reject"
    DROP = "drop"


class Frontend(msgspec.Struct, frozen=True, gc=False):
    """One address that the node serves, with the backends it spreads new connections over.

    `backends` is sorted and free of repetition. `masquerade` asks for the node's own source address on every connection;
    a connection that would leave a backend towards itself (hairpin) is masqueraded in any case. `reason` says why the
    backends are as they are: FORWARDED, or why there are none. `narrowed` is SAME_ZONE or SAME_NODE where hints leave out other
    ready endpoints.
    """

    match: FrontendAddress
    scope: Scope
    backends: tuple[Backend, ...]
    masquerade: bool = False
    without_backend: NoBackend = NoBackend.REJECT
    reason: Reason = Reason.FORWARDED
    port_name: str = ""
    narrowed: Reason | None = None


class NodeFacts(msgspec.Struct, frozen=True):
    """What the table has to know of the node it is made for.

    `addresses` are those at which NodePorts are served. `cluster_sources` are the prefixes whose packets count as coming
    from inside the cluster: the Pod networks and the nodes' own addresses. `zone` is the node's, empty where unknown.
    """

    name: str
    addresses: tuple[Address, ...] = ()
    cluster_sources: tuple[Prefix, ...] = ()
    zone: str = ""


class TableNote(msgspec.Struct, frozen=True):
    """Something about a Service that the table does not do as the object asks; `message` is a sentence for people."""

    reason: Reason
    message: str


class ForwardingTable(msgspec.Struct, frozen=True):
    """Everything a datapath needs. A frontend address occurs once in the whole table."""

    services: Mapping[Key, tuple[Frontend, ...]] = {}
    verdicts: Mapping[Key, Reason] = {}
    cluster_sources: tuple[Prefix, ...] = ()
    notes: Mapping[Key, tuple[TableNote, ...]] = {}

    def frontends(self) -> Iterator[Frontend]:
        for each in self.services.values():
            yield from each

    def find(self, match: FrontendAddress) -> tuple[Key, Frontend] | None:
        """The frontend with that address, and the Service it belongs to."""
        for service, frontends in self.services.items():
            for frontend in frontends:
                if frontend.match == match:
                    return service, frontend
        return None


class TableChange(msgspec.Struct, frozen=True):
    """From one table to the next: frontends that go, and frontends that are new or differ."""

    removed: tuple[Frontend, ...] = ()
    changed: tuple[tuple[Frontend | None, Frontend], ...] = ()
    cluster_sources: tuple[Prefix, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed or self.cluster_sources is not None)
