"""What a backend sends outside its window belongs to no connection for the kernel, and is not translated. A client that
got it would answer with a reset, which goes to the backend and ends a connection that is in order (kubernetes 74839).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import ip_address
from typing import NamedTuple

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.net import Address, Family
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import NODE_PORT, STREAM, V4, VIP, cluster, install, node_port
from tests.kernel.topology import NODE, PORT, Namespace, Topology, backend_address
from tests.kernel.wire.packets import Transport, enclosed, tcp_segment

pytestmark = [pytest.mark.kernel, needs_root]

RESET, ACKNOWLEDGE, PUSH = 0x04, 0x10, 0x08
FAR = 1 << 30
"""Bytes beyond the window."""
BACKEND = 4

Way = Callable[[Topology, Family], tuple[Namespace, Address, int, bool]]
"""Namespace, address and port, and whether the backend sees the node in place of the client."""
WAYS: dict[str, Way] = {
    "from a Pod": lambda topology, family: (topology.backends[0], VIP[family], 80, False),
    "from outside": lambda topology, family: (topology.client, NODE[family], NODE_PORT, False),
    "from outside, masqueraded": lambda topology, family: (topology.client, NODE[family], NODE_PORT, True),
    "from the node": lambda topology, family: (topology.node, VIP[family], 80, False),
}


class Segment(NamedTuple):
    source: Address
    ports: tuple[int, int]
    sequence: int
    acknowledged: int
    flags: int
    data: bytes


class Ear:
    """Every TCP segment that comes to a namespace."""

    def __init__(self, namespace: Namespace, family: Family) -> None:
        name = socket.AF_INET if family is V4 else socket.AF_INET6
        self._socket = namespace.run(lambda: socket.socket(name, socket.SOCK_RAW, socket.IPPROTO_TCP))
        self._socket.setblocking(False)
        self._family = family

    def close(self) -> None:
        self._socket.close()

    def heard(self) -> list[Segment]:
        """Since the last call."""
        return list(self._read())

    def _read(self) -> Iterator[Segment]:
        while True:
            try:
                data, peer = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            segment = data[(data[0] & 0xF) * 4 :] if self._family is V4 else data
            left, right, sequence, acknowledged, offset, flags = struct.unpack_from(">HHIIBB", segment)
            rest = segment[(offset >> 4) * 4 :]
            yield Segment(ip_address(peer[0]), (left, right), sequence, acknowledged, flags, rest)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_the_client_does_not_get_it_and_the_connection_lives_on(
    topology: Topology, datapath: NftDatapath, family: Family, way: Way
) -> None:
    """Where the backend sees the node, the packet ends there, and the node sends no reset."""
    namespace, address, port, masquerade = way(topology, family)
    install(topology, datapath, *cluster(family, (BACKEND,)), *node_port(family, (BACKEND,), masquerade=masquerade))
    server = topology.backends[BACKEND - 2]
    with (
        namespace.open_socket(family, STREAM) as held,
        closing(Ear(namespace, family)) as client_ear,
        closing(Ear(server, family)) as server_ear,
    ):
        held.connect((str(address), port))
        assert exchange(held) == f"b{BACKEND}"
        asked = [each for each in server_ear.heard() if each.data][-1]
        send_astray(server, asked)
        assert exchange(held) == f"b{BACKEND}"
        strange = [each for each in client_ear.heard() if each.source == backend_address(family, BACKEND)]
        assert strange == [] or namespace is topology.node
        assert [each for each in server_ear.heard() if each.flags & RESET] == []


def exchange(held: socket.socket) -> str:
    held.send(b"?")
    return held.recv(200).decode().split()[0]


def send_astray(server: Namespace, asked: Segment) -> None:
    """An answer far outside the window, which acknowledges what was asked, so that a reset would be believed."""
    family = Family.of(asked.source)
    source = backend_address(family, BACKEND)
    numbers = (asked.acknowledged + FAR & 0xFFFFFFFF, asked.sequence + len(asked.data) & 0xFFFFFFFF)
    ends = source.packed + asked.source.packed
    segment = tcp_segment(ends, (PORT, asked.ports[0]), numbers, ACKNOWLEDGE | PUSH, b"astray")
    datagram = enclosed(source, asked.source, Transport.TCP, segment)
    name = socket.AF_INET if family is V4 else socket.AF_INET6
    with server.run(lambda: socket.socket(name, socket.SOCK_RAW, socket.IPPROTO_RAW)) as raw:
        raw.sendto(datagram, (str(asked.source), 0))
