"""The forwarding table: every traffic decision for one node, as data. Datapaths render it; they never see a Service.

ForwardingTable
  services: ServiceName -> tuple of Frontend      what the node must do, one entry per Service
  verdicts: ServiceName -> Reason                 why a Service has no frontends, or which part is missing
  notes:    ServiceName -> tuple of TableNote     the same in full: every reason with its sentence, the verdict's first
  checks:   ServiceName -> LocalCheck             what load balancers may ask this node about a Service
  locality: Locality                              what else the kernel has to know

Backends, choices and frontends hold no references that could form a cycle, so the garbage collector leaves them alone
(`gc=False`): a large table has 250,000 backends.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address, Family, Prefix, Protocol
from moorage.model.reason import Reason


class AddressKind(enum.Enum):
    """By which of its addresses a Service is reached."""

    CLUSTER_IP = "ClusterIP"
    """Only from `Locality.cluster_sources` and the node itself. It holds for the address with all its ports."""
    NODE_PORT = "NodePort"
    """At every address of `Locality.node_port_addresses`: the frontend's own address is the unspecified one of its family."""
    EXTERNAL_IP = "ExternalIP"
    LOAD_BALANCER = "LoadBalancer"
    """One that a load balancer of ours brings here: it holds for the address with all its ports."""
    OTHERS_LOAD_BALANCER = "LoadBalancer of others"
    """One that somebody else brings here. It may be a machine's own address (k3s' ServiceLB shows those of the nodes)."""

    @property
    def whole(self) -> bool:
        """Whether the address with all its ports is the cluster's: echo requests to it and ports that no Service has are the
        cluster's to answer.
        """
        return self in (AddressKind.CLUSTER_IP, AddressKind.LOAD_BALANCER)


class Backend(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a connection may go. `endpoint` is its address and port as they travel, in network byte order: 6 bytes in IPv4, 18
    in IPv6. `node` is the node it lives on, empty where unknown. Connections are shared out in proportion to `weight`.

    Port 0 keeps the port that the client asked for (port ranges).
    """

    endpoint: bytes
    node: str = ""
    weight: int = 1

    @classmethod
    def at(cls, address: Address, port: int, node: str = "", weight: int = 1) -> Backend:
        return cls(address.packed + port.to_bytes(2, "big"), node, weight)

    @property
    def address(self) -> Address:
        packed = self.endpoint[:-2]
        return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)

    @property
    def port(self) -> int:
        return int.from_bytes(self.endpoint[-2:], "big")

    def __str__(self) -> str:
        return str(FrontendAddress(self.address, Protocol.TCP, self.port)).rpartition("/")[0]


class FrontendAddress(msgspec.Struct, frozen=True, gc=False):
    """What a packet is matched by. `last` is the last port of a range that begins with `port`, 0 for a single port."""

    address: Address
    protocol: Protocol
    port: int
    last: int = 0

    def holds(self, address: Address, protocol: Protocol, port: int) -> bool:
        """Whether a packet to that place matches."""
        return self.address == address and self.protocol is protocol and self.port <= port <= (self.last or self.port)

    @property
    def claim(self) -> FrontendAddress:
        """What only one Service can have: this place, or for a range all ranges of the address and protocol."""
        return FrontendAddress(self.address, self.protocol, 0) if self.last else self

    def __str__(self) -> str:
        text = "*" if self.address.is_unspecified else str(self.address)
        host = f"[{text}]" if self.address.version == 6 else text
        ports = f"{self.port}-{self.last}" if self.last else f"{self.port}"
        return f"{host}:{ports}/{self.protocol.value.lower()}"


class NoBackend(enum.Enum):
    """What becomes of a packet to a frontend without backends."""

    REJECT = "reject"
    DROP = "drop"
    LEAVE = "leave"
    """Left to the machine itself, where a proxy listens."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The backends that connections are spread over; sorted, each once.

    `reason` says why they are as they are: FORWARDED, or why there are none. `narrowed` is SAME_ZONE or SAME_NODE where hints
    leave out other ready endpoints.
    """

    backends: tuple[Backend, ...] = ()
    reason: Reason = Reason.FORWARDED
    narrowed: Reason | None = None

    @property
    def without_backend(self) -> NoBackend:
        """Where only this node has none, packets are dropped: the client tries again, and its load balancer turns elsewhere."""
        return {Reason.NO_LOCAL_ENDPOINT: NoBackend.DROP, Reason.PROXIED: NoBackend.LEAVE}.get(self.reason, NoBackend.REJECT)


class Frontend(msgspec.Struct, frozen=True, gc=False):
    """One address that the node serves, and where connections to it go.

    `inside` is the choice for this node's own Pods and processes where that is another one than everybody else's.
    `masquerade` asks for the node's own source address on every connection; connections of the node's own processes, and one
    that would leave a backend towards itself (hairpin), are masqueraded in any case.
    `affinity` keeps a client (a source address) with its backend for so many seconds after its last connection; 0 does not.
    `sources` are the only clients that are let in; empty lets in everybody.
    `consistent`: a client's address and port (with affinity its address alone) and the destination decide, by the same table on
    every machine, which backend a connection goes to (`maglev`). Otherwise each connection draws.
    """

    match: FrontendAddress
    kind: AddressKind
    choice: Choice
    inside: Choice | None = None
    masquerade: bool = False
    affinity: int = 0
    sources: tuple[Prefix, ...] = ()
    port_name: str = ""
    consistent: bool = False

    @property
    def backends(self) -> tuple[Backend, ...]:
        return self.choice.backends

    @property
    def reason(self) -> Reason:
        return self.choice.reason

    @property
    def serves(self) -> bool:
        """Whether anybody at all may get through."""
        passed = self.choice.without_backend is NoBackend.LEAVE
        return bool(passed or self.choice.backends or (self.inside and self.inside.backends))


class Locality(msgspec.Struct, frozen=True):
    """What the kernel has to know of the node and its cluster besides the Services.

    `cluster_sources`: whose packets count as coming from inside the cluster: the Pod networks and the nodes' own addresses.
    `pods_here`: the networks of this node's own Pods.
    `node_port_addresses`: where NodePorts are served, as far as these are addresses of the node.
    `service_cidrs`: where ClusterIPs come from; packets to addresses in them that no Service has are dropped.
    `own`: an address of the node in each family, which answers pings in the name of Services.
    """

    cluster_sources: tuple[Prefix, ...] = ()
    pods_here: tuple[Prefix, ...] = ()
    node_port_addresses: tuple[Prefix, ...] = ()
    service_cidrs: tuple[Prefix, ...] = ()
    own: tuple[Address, ...] = ()


class NodeFacts(msgspec.Struct, frozen=True):
    """What the table has to know of the node it is made for.

    `addresses` are the node's own. `zone` is empty where unknown. `weights` are those of nodes whose endpoints count for more
    or less than 1.
    """

    name: str
    addresses: tuple[Address, ...] = ()
    zone: str = ""
    locality: Locality = Locality()
    weights: Mapping[str, int] = {}


class TableNote(msgspec.Struct, frozen=True):
    """Something about a Service that the table does not do as the object asks; `message` is a sentence for people."""

    reason: Reason
    message: str


class LocalCheck(msgspec.Struct, frozen=True, gc=False):
    """`port` is `spec.healthCheckNodePort`, `endpoints` how many ready endpoints of the Service are on this node."""

    port: int
    endpoints: int


class ForwardingTable(msgspec.Struct, frozen=True):
    """Everything a datapath needs. A frontend address occurs once in the whole table."""

    services: Mapping[Key, tuple[Frontend, ...]] = {}
    verdicts: Mapping[Key, Reason] = {}
    locality: Locality = Locality()
    notes: Mapping[Key, tuple[TableNote, ...]] = {}
    checks: Mapping[Key, LocalCheck] = {}

    def frontends(self) -> Iterator[Frontend]:
        for each in self.services.values():
            yield from each

    def find(self, address: Address, protocol: Protocol, port: int) -> tuple[Key, Frontend] | None:
        """The frontend for packets to that place, and the Service it belongs to; a single port comes before a range."""
        found = None
        for service, frontends in self.services.items():
            for frontend in frontends:
                if frontend.match.holds(address, protocol, port):
                    if not frontend.match.last:
                        return service, frontend
                    found = service, frontend
        return found


ANY_ADDRESS: Mapping[Family, Address] = {Family.IPV4: IPv4Address(0), Family.IPV6: IPv6Address(0)}
"""The address of NodePort frontends: all those at which the node serves NodePorts."""
