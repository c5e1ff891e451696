"""Echo requests to addresses of Services: answered by the node while there is a backend, refused at once while not."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.net import Address, Family
from moorage.table.types import AddressKind, Frontend
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import V4, V6, VIP, both_protocols, cluster, install, node_port
from tests.kernel.topology import CLIENT, NODE, Namespace, Topology

pytestmark = [pytest.mark.kernel, needs_root]

BALANCED: dict[Family, Address] = {V4: ip_address("203.0.113.10"), V6: ip_address("2001:db8:f::10")}
PROTOCOLS = {V4: socket.IPPROTO_ICMP, V6: socket.IPPROTO_ICMPV6}
REQUESTS, REPLIES = {V4: 8, V6: 128}, {V4: 0, V6: 129}
UNREACHABLE = {V4: "ICMP 3 1", V6: "ICMP 1 3"}
"""Host unreachable (RFC 792), address unreachable (RFC 4443)."""
IP_RECVERR = {V4: (socket.IPPROTO_IP, 11), V6: (socket.IPPROTO_IPV6, 25)}
"""With it a socket is told of errors that may pass."""
GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")

numbers = itertools.count(1)
by_family = pytest.mark.parametrize("family", Family)


@pytest.fixture(scope="module")
def topology(topology: Topology) -> Topology:
    """Root may open ping sockets (icmp(7))."""
    for each in (topology.node, topology.client, *topology.backends):
        each.run(lambda: GROUPS.write_text("0 0"))
    return topology


class Pinger:
    """One socket, so one flow of echo requests with one identifier, as a running `ping` makes them."""

    def __init__(self, namespace: Namespace, address: Address) -> None:
        self._family = family = Family.of(address)
        name = socket.AF_INET if family is V4 else socket.AF_INET6
        self._socket = namespace.run(lambda: socket.socket(name, socket.SOCK_DGRAM, PROTOCOLS[family]))
        self._socket.setsockopt(*IP_RECVERR[family], 1)
        self._socket.connect((str(address), 0))
        self._address = str(address)

    def __enter__(self) -> Pinger:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ping(self, timeout: float = 2) -> str:
        """What comes of one echo request: "answered", "timeout", or type and code of an ICMP error."""
        number = next(numbers)
        payload = os.urandom(24)
        self._forget_errors()
        self._socket.settimeout(timeout)
        try:
            self._socket.send(struct.pack(">BBHHH", REQUESTS[self._family], 0, 0, 0, number) + payload)
            data, peer = self._socket.recvfrom(200)
        except TimeoutError:
            return "timeout"
        except OSError:  # where the node itself asks, EPERM
            return self._error()
        assert (data[0], data[6:8], data[8:]) == (REPLIES[self._family], number.to_bytes(2, "big"), payload)
        assert peer[0] == self._address
        return "answered"

    def _forget_errors(self) -> None:
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._error()

    def _error(self) -> str:
        """As ip(7) has it: `sock_extended_err` is an errno, and then origin, type and code."""
        _, ancillary, _, _ = self._socket.recvmsg(200, 200, socket.MSG_ERRQUEUE)
        _, type_, code = struct.unpack_from("4xBBB", ancillary[0][2])
        return f"ICMP {type_} {code}"


def ping(namespace: Namespace, address: Address, timeout: float = 2) -> str:
    with Pinger(namespace, address) as pinger:
        return pinger.ping(timeout)


def balanced(family: Family, backends: tuple[int, ...], port: int = 80) -> tuple[Frontend, ...]:
    return both_protocols(BALANCED[family], port, AddressKind.LOAD_BALANCER, backends)


@by_family
def test_an_address_answers_while_it_has_a_backend(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    install(topology, datapath, *cluster(family, (3,)), *balanced(family, (2, 3)))
    assert ping(topology.client, BALANCED[family]) == "answered"
    for namespace in (topology.node, *topology.backends):
        assert ping(namespace, VIP[family]) == "answered"
        assert ping(namespace, BALANCED[family]) == "answered"


@by_family
def test_without_a_backend_it_is_unreachable_at_once(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    install(topology, datapath, *cluster(family, ()), *balanced(family, ()))
    assert ping(topology.client, BALANCED[family]) == UNREACHABLE[family]
    for address in (VIP[family], BALANCED[family]):
        assert ping(topology.backends[0], address) == UNREACHABLE[family]
        assert ping(topology.node, address) == UNREACHABLE[family]


@by_family
def test_one_port_with_a_backend_is_enough(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """The last one counts, in whatever order they go."""
    for first, second in (((2,), ()), ((), (2,)), ((), ()), ((3,), (2,))):
        install(topology, datapath, *balanced(family, first), *balanced(family, second, port=81))
        assert ping(topology.client, BALANCED[family]) == ("answered" if first or second else UNREACHABLE[family])


@by_family
def test_a_running_ping_follows(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """Its echo requests are one flow to the kernel. At times there is no Service."""
    steps: tuple[tuple[int, ...] | None, ...] = (None, (2,), (), (3,), None, (2,), ())
    for namespace, address in (
        (topology.client, BALANCED[family]),
        (topology.backends[0], VIP[family]),
        (topology.node, VIP[family]),
    ):
        with Pinger(namespace, address) as pinger:
            for backends in steps:
                if backends is None:
                    install(topology, datapath)
                    assert pinger.ping(timeout=0.2) != "answered"
                    continue
                install(topology, datapath, *cluster(family, backends), *balanced(family, backends))
                assert pinger.ping() == ("answered" if backends else UNREACHABLE[family])


@by_family
def test_a_cluster_address_is_silent_towards_outside(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    for backends in ((2,), ()):
        install(topology, datapath, *cluster(family, backends))
        assert ping(topology.client, VIP[family], timeout=0.3) == "timeout"


@by_family
def test_other_addresses_answer_for_themselves(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """The node, whose NodePorts have no backend, and Pods."""
    install(topology, datapath, *node_port(family, ()), *cluster(family, ()))
    assert ping(topology.client, NODE[family]) == "answered"
    assert ping(topology.backends[0], CLIENT[family]) == "answered"
    assert ping(topology.node, NODE[family]) == "answered"
