"""Real packets through the nftables datapath, standing still: who answers, with which source, and who is refused."""

from __future__ import annotations

import socket
import subprocess
import time
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.nft.spaces import WORDS
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Prefix, Protocol
from moorage.model.reason import Reason
from moorage.table.types import (
    ANY_ADDRESS,
    AddressKind,
    Backend,
    Choice,
    ForwardingTable,
    Frontend,
    FrontendAddress,
    Locality,
)
from tests.kernel.needs import needs_root
from tests.kernel.topology import CLIENT, NODE, PORT, Namespace, Topology, backend_address

pytestmark = [pytest.mark.kernel, needs_root]

V4, V6 = Family.IPV4, Family.IPV6
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
VIP: dict[Family, Address] = {V4: ip_address("10.96.0.10"), V6: ip_address("fd00:96::10")}
PODS: dict[Family, Prefix] = {V4: ip_network("10.244.0.0/16"), V6: ip_network("fd00:244::/64")}
NODE_PORT = 30080

CHI_SQUARE = 27.6
"""With two degrees of freedom, exceeded once in a million runs."""


def cluster(family: Family, backends: tuple[int, ...], port: int = 80, **more: Any) -> tuple[Frontend, ...]:
    return both_protocols(VIP[family], port, AddressKind.CLUSTER_IP, backends, **more)


def node_port(family: Family, backends: tuple[int, ...], **more: Any) -> tuple[Frontend, ...]:
    return both_protocols(ANY_ADDRESS[family], NODE_PORT, AddressKind.NODE_PORT, backends, **more)


def choice(family: Family, numbers: tuple[int, ...], drop: bool = False, port: int = PORT) -> Choice:
    reason = Reason.NO_LOCAL_ENDPOINT if drop else Reason.FORWARDED if numbers else Reason.NO_READY_ENDPOINT
    return Choice(tuple(Backend.at(backend_address(family, number), port) for number in numbers), reason)


def both_protocols(
    address: Address, port: int, kind: AddressKind, backends: tuple[int, ...], drop: bool = False, **more: Any
) -> tuple[Frontend, ...]:
    chosen = choice(Family.of(address), backends, drop)
    matches = [FrontendAddress(address, protocol, port) for protocol in (Protocol.TCP, Protocol.UDP)]
    return tuple(Frontend(match, kind, chosen, **more) for match in matches)


LOCALITY = Locality(
    cluster_sources=tuple(PODS.values()),
    node_port_addresses=tuple(ip_network(each) for each in NODE.values()),
    own=tuple(NODE.values()),
)


def install(
    topology: Topology, datapath: NftDatapath, *frontends: Frontend, sources: tuple[Prefix, ...] = (), **locality: Any
) -> int:
    """The number of operations: elements written, and tracked flows forgotten."""
    place = msgspec.structs.replace(LOCALITY, cluster_sources=(*LOCALITY.cluster_sources, *sources), **locality)
    table = ForwardingTable({Key("default", "web"): frontends}, locality=place)
    return topology.node.run(lambda: datapath.apply(table).operations + datapath.settle())


def refusal(namespace: Namespace, address: Address, port: int, kind: socket.SocketKind) -> float:
    """Seconds until the connection is refused. A datagram that the sender's own node rejects fails with EPERM."""
    started = time.monotonic()
    with pytest.raises((ConnectionRefusedError, PermissionError)):
        namespace.ask(address, port, kind)
    return time.monotonic() - started


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_connections_spread_evenly(topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind) -> None:
    install(topology, datapath, *node_port(family, (2, 3, 4)))
    answers = Counter(topology.client.ask(NODE[family], NODE_PORT, kind).split()[0] for _ in range(600))
    assert set(answers) == {"b2", "b3", "b4"}
    assert sum((count - 200) ** 2 / 200 for count in answers.values()) < CHI_SQUARE


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
@pytest.mark.parametrize("masquerade", [True, False])
def test_the_source_and_its_port(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind, masquerade: bool
) -> None:
    """Masquerading puts the node's address in place of the client's and keeps the port."""
    install(topology, datapath, *node_port(family, (2,), masquerade=masquerade))
    with topology.client.open_socket(family, kind) as asking:
        asking.bind((str(CLIENT[family]), 0))
        asking.connect((str(NODE[family]), NODE_PORT))
        asking.send(b"?")
        expected = NODE[family] if masquerade else CLIENT[family]
        assert asking.recv(200).decode() == f"b2 {expected} {asking.getsockname()[1]}"


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_pods_and_the_node_reach_a_cluster_address(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    install(topology, datapath, *cluster(family, (3,)))
    assert topology.backends[0].ask(VIP[family], 80, kind).split()[:2] == ["b3", str(backend_address(family, 2))]
    assert topology.node.ask(VIP[family], 80, kind).split()[:2] == ["b3", str(NODE[family])]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_a_backend_reaches_itself(topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind) -> None:
    """Hairpin: the answer would not pass the node again if the source were the backend's own."""
    install(topology, datapath, *cluster(family, (2,)))
    assert topology.backends[0].ask(VIP[family], 80, kind).split()[:2] == ["b2", str(NODE[family])]


@pytest.mark.parametrize("family", Family)
def test_a_packet_whose_slot_has_just_gone_takes_the_first(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """What a packet meets that has read "three backends" when two of them go: the state is made by hand here."""
    install(topology, datapath, *node_port(family, (2, 3, 4)))
    gone = ", ".join(f"tcp . {NODE_PORT} . 0:{slot}" for slot in (1, 2))
    command = f"delete element {WORDS[family]} moorage node_port_backends {{ {gone} }}"
    topology.node.run(lambda: subprocess.run(["nft", command], check=True))
    assert {topology.client.ask(NODE[family], NODE_PORT).split()[0] for _ in range(20)} == {"b2"}


@pytest.mark.parametrize("family", Family)
def test_the_node_reaches_a_backend_on_itself(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    topology.echo.listen(topology.node, family, "node", port=9090)
    backend = Backend.at(NODE[family], 9090)
    match = FrontendAddress(VIP[family], Protocol.TCP, 80)
    install(topology, datapath, Frontend(match, AddressKind.CLUSTER_IP, Choice((backend,))))
    assert topology.node.ask(VIP[family], 80).split()[:2] == ["node", str(NODE[family])]
    assert topology.backends[0].ask(VIP[family], 80).split()[:2] == ["node", str(backend_address(family, 2))]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_a_cluster_address_is_silent_towards_outside(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    install(topology, datapath, *cluster(family, (2,)), *cluster(family, (), port=81))
    for port in (80, 81, 82):
        with pytest.raises(TimeoutError):
            topology.client.ask(VIP[family], port, kind, timeout=0.2)
    install(topology, datapath, *cluster(family, (2,)), sources=(ip_network(f"{CLIENT[family]}/{family.bits}"),))
    assert topology.client.ask(VIP[family], 80, kind).startswith("b2")


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_without_backends_it_is_refused_at_once(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    """In the forward hook (Pods), the output hook (the node) and the input hook (a NodePort)."""
    install(topology, datapath, *cluster(family, ()), *node_port(family, ()))
    assert refusal(topology.backends[0], VIP[family], 80, kind) < 0.5
    assert refusal(topology.node, VIP[family], 80, kind) < 0.5
    assert refusal(topology.client, NODE[family], NODE_PORT, kind) < 0.5


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_without_backends_it_can_be_silent(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    install(topology, datapath, *cluster(family, (), drop=True), *node_port(family, (), drop=True))
    for namespace, address, port in ((topology.backends[0], VIP[family], 80), (topology.client, NODE[family], NODE_PORT)):
        with pytest.raises(TimeoutError):
            namespace.ask(address, port, kind, timeout=0.2)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_other_ports_of_a_cluster_address_are_refused(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    install(topology, datapath, *cluster(family, (2,)))
    assert refusal(topology.backends[0], VIP[family], 81, kind) < 0.5
    assert refusal(topology.node, VIP[family], 81, kind) < 0.5


def test_other_traffic_is_left_alone(topology: Topology, datapath: NftDatapath) -> None:
    install(topology, datapath, *cluster(V4, (2,)), *node_port(V4, ()))
    assert topology.client.ask(backend_address(V4, 3), PORT).split()[:2] == ["b3", str(CLIENT[V4])]
    assert topology.backends[0].ask(backend_address(V4, 3), PORT).split()[:2] == ["b3", str(backend_address(V4, 2))]
