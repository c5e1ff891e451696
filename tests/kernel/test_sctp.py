"""SCTP associations through Services, chunk by chunk: the kernel of a test machine may have no SCTP sockets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
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
from tests.kernel.test_datapath_packets import NODE_PORT, V4, V6, VIP
from tests.kernel.topology import PORT
from tests.kernel.wire.frames import Kind
from tests.kernel.wire.node import KEPT, Captured, WireNode
from tests.kernel.wire.packets import SCTP_INIT, Packet, Transport, enclosed, ethernet, sctp_segment
from tests.kernel.wire.plan import LINKS, NODE, pod

pytestmark = [pytest.mark.kernel, needs_root]

OUTSIDE: dict[Family, Address] = {V4: ip_address("198.51.100.7"), V6: ip_address("2001:db8:9::7")}
BALANCED: dict[Family, Address] = {V4: ip_address("203.0.113.10"), V6: ip_address("2001:db8:f::10")}
CLIENT_PORT, CLIENT_TAG, SERVER_TAG = 5000, 0x1111, 0x2222
DATA, INIT_ACK, COOKIE_ECHO, COOKIE_ACK = 0, 2, 10, 11
"""Types of chunks (RFC 9260 section 3.2)."""
PORT_UNREACHABLE = {V4: (3, 3), V6: (1, 4)}
HEADERS = {link.name: {version: ethernet(link.near, link.far, version) for version in (4, 6)} for link in LINKS}
LOCALITY = Locality(
    cluster_sources=(ip_network("10.244.0.0/16"), ip_network("fd00:244::/32")),
    node_port_addresses=tuple(map(ip_network, NODE.values())),
)

by_family = pytest.mark.parametrize("family", Family)


class End(NamedTuple):
    """An address and port of one side, as the other one knows it, and the link behind which it is."""

    link: str
    address: Address
    port: int


@pytest.fixture(scope="module")
def wire() -> Iterator[WireNode]:
    with WireNode() as made:
        yield made


@pytest.fixture
def datapath(wire: WireNode) -> Iterator[NftDatapath]:
    made = NftDatapath()
    wire.node.run(made.start)
    yield made
    wire.node.run(made.remove)
    wire.reset()


def serve(wire: WireNode, datapath: NftDatapath, family: Family, *numbers: int) -> None:
    """Pods of the node behind a ClusterIP, a NodePort and a load balancer's address."""
    choice = Choice(tuple(Backend.at(pod(each, family), PORT) for each in numbers))
    places = [
        (VIP[family], 80, AddressKind.CLUSTER_IP, False),
        (ANY_ADDRESS[family], NODE_PORT, AddressKind.NODE_PORT, True),
        (BALANCED[family], 80, AddressKind.LOAD_BALANCER, False),
    ]
    frontends = tuple(
        Frontend(FrontendAddress(address, Protocol.SCTP, port), kind, choice, masquerade=masquerade)
        for address, port, kind, masquerade in places
    )
    table = ForwardingTable({Key("default", "web"): frontends}, locality=LOCALITY)
    wire.node.run(lambda: (datapath.apply(table), datapath.settle()))


def beginning(tag: int) -> bytes:
    """Of INIT and INIT ACK: the tag, a window, one stream each way, a sequence number; and a state cookie."""
    return struct.pack(">IIHHI", tag, 1 << 16, 1, 1, 7) + struct.pack(">HH4s", 7, 8, b"cook")


def send(wire: WireNode, source: End, destination: End, tag: int, kind: int, value: bytes = b"") -> list[Captured]:
    """What comes of one chunk."""
    segment = sctp_segment(source.port, destination.port, tag, kind, value)
    datagram = enclosed(source.address, destination.address, Transport.SCTP, segment)
    wire.inject_frame(source.link, HEADERS[source.link][source.address.version] + datagram)
    return wire.collect()


def arrives(found: list[Captured], source: End, destination: End) -> None:
    """Whole, at the one end, and as if it came from the other."""
    (one,) = found
    assert one.link == destination.link
    assert (one.packet.source, one.packet.source_port) == source[1:]
    assert (one.packet.destination, one.packet.destination_port) == destination[1:]
    assert one.packet.intact


def ways(family: Family) -> Iterator[tuple[End, End, End]]:
    """A client, the frontend that it asks, and the client as the backend sees it."""
    here = End("pod2", pod(2, family), CLIENT_PORT)
    yield here, End("", VIP[family], 80), here
    outside = End("lan", OUTSIDE[family], CLIENT_PORT)
    yield outside, End("", NODE[family], NODE_PORT), End("lan", NODE[family], CLIENT_PORT)
    yield outside, End("", BALANCED[family], 80), outside


@by_family
@pytest.mark.parametrize("number", [0, 1, 2], ids=["cluster ip", "node port", "load balancer"])
def test_an_association(wire: WireNode, datapath: NftDatapath, family: Family, number: int) -> None:
    """From its first chunk to data in both directions; it stays with its backend when that goes."""
    serve(wire, datapath, family, 5)
    client, frontend, seen = list(ways(family))[number]
    backend = End("pod5", pod(5, family), PORT)
    arrives(send(wire, client, frontend, 0, SCTP_INIT, beginning(CLIENT_TAG)), seen, backend)
    arrives(send(wire, backend, seen, CLIENT_TAG, INIT_ACK, beginning(SERVER_TAG)), frontend, client)
    arrives(send(wire, client, frontend, SERVER_TAG, COOKIE_ECHO, b"cook"), seen, backend)
    arrives(send(wire, backend, seen, CLIENT_TAG, COOKIE_ACK), frontend, client)
    serve(wire, datapath, family, 6)
    for _ in range(2):
        arrives(send(wire, client, frontend, SERVER_TAG, DATA, b"question"), seen, backend)
        arrives(send(wire, backend, seen, CLIENT_TAG, DATA, b"answer"), frontend, client)


@by_family
def test_the_nodes_own_processes(wire: WireNode, datapath: NftDatapath, family: Family) -> None:
    serve(wire, datapath, family, 5)
    for frontend in (End("", VIP[family], 80), End("", NODE[family], NODE_PORT)):
        own, backend = End(KEPT, NODE[family], CLIENT_PORT), End("pod5", pod(5, family), PORT)
        asked = Packet(own.address, frontend.address, Transport.SCTP, own.port, frontend.port, CLIENT_TAG)
        assert wire.send_local(asked) == 0
        arrives(wire.collect(), own, backend)
        arrives(send(wire, backend, own, CLIENT_TAG, INIT_ACK, beginning(SERVER_TAG)), frontend, own)
        wire.reset()


@by_family
def test_without_a_backend_it_is_refused(wire: WireNode, datapath: NftDatapath, family: Family) -> None:
    serve(wire, datapath, family)
    for client, frontend, _ in ways(family):
        (one,) = send(wire, client, frontend, 0, SCTP_INIT, beginning(CLIENT_TAG))
        assert (one.link, one.packet.destination) == (client.link, client.address)
        assert (one.packet.kind, one.packet.icmp) == (Kind.ERROR, PORT_UNREACHABLE[family])


@by_family
def test_what_nobody_answered_is_balanced_again(wire: WireNode, datapath: NftDatapath, family: Family) -> None:
    """An INIT that is sent again goes to a backend that is there."""
    for client, frontend, seen in ways(family):
        for number in (5, 6):
            serve(wire, datapath, family, number)
            backend = End(f"pod{number}", pod(number, family), PORT)
            arrives(send(wire, client, frontend, 0, SCTP_INIT, beginning(CLIENT_TAG)), seen, backend)
        wire.reset()


@by_family
def test_new_associations_spread(wire: WireNode, datapath: NftDatapath, family: Family) -> None:
    serve(wire, datapath, family, 5, 6, 7)
    client, frontend, _ = next(ways(family))
    links = set()
    for port in range(CLIENT_PORT, CLIENT_PORT + 60):
        (one,) = send(wire, client._replace(port=port), frontend, 0, SCTP_INIT, beginning(CLIENT_TAG))
        links.add(one.link)
    assert links == {"pod5", "pod6", "pod7"}
