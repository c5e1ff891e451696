"""The kernel counts what passes: every packet once, by frontend and endpoint."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from moorage.datapath.counts import Amount, Counts, Pair, Sent
from moorage.datapath.nft.counting_io import NftCounters
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.net import Address, Family, Protocol
from moorage.table.types import AddressKind, Backend, Choice, Frontend, FrontendAddress
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import DATAGRAM, NODE_PORT, STREAM, V4, V6, VIP, cluster, install, node_port
from tests.kernel.topology import NODE, PORT, Echo, Topology, backend_address, forget_all_flows

pytestmark = [pytest.mark.kernel, needs_root]

HEADERS = {V4: 28, V6: 48}
"""Bytes of the headers of a datagram: of IP and UDP."""


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with Topology(2) as made:
        yield made


@pytest.fixture
def counters(topology: Topology, datapath: NftDatapath) -> Iterator[NftCounters]:
    made = NftCounters()
    yield made
    made.close()


def counted(topology: Topology, counters: NftCounters) -> Counts:
    return topology.node.run(counters.read)


def pair(address: Address, protocol: Protocol, port: int, endpoint: Address) -> Pair:
    return Pair(Sent(address.packed, protocol.number, port), endpoint.packed)


@pytest.mark.parametrize("family", Family)
def test_datagrams_from_outside_through_a_node_port(
    topology: Topology, datapath: NftDatapath, counters: NftCounters, family: Family
) -> None:
    install(topology, datapath, *node_port(family, (2,), masquerade=True))
    answers = [topology.client.ask(NODE[family], NODE_PORT, DATAGRAM) for _ in range(3)]
    at = pair(NODE[family], Protocol.UDP, NODE_PORT, backend_address(family, 2))
    found = counted(topology, counters)
    assert found.connections == {at: 3}
    assert found.requests == {at: Amount(3, 3 * (HEADERS[family] + 1))}
    assert found.replies == {at: Amount(3, sum(HEADERS[family] + len(each) for each in answers))}
    assert found.refusals == {}


@pytest.mark.parametrize("family", Family)
def test_a_connection_of_the_nodes_own(
    topology: Topology, datapath: NftDatapath, counters: NftCounters, family: Family
) -> None:
    install(topology, datapath, *cluster(family, (3,)))
    for _ in range(2):
        topology.node.ask(VIP[family], 80, STREAM)
    found = counted(topology, counters)
    at = pair(VIP[family], Protocol.TCP, 80, backend_address(family, 3))
    assert found.connections == {at: 2}
    assert set(found.requests) == set(found.replies) == {at}
    assert 2 * 4 <= found.requests[at].packets <= 2 * 7
    assert 2 * 2 <= found.replies[at].packets <= 2 * 6


@pytest.mark.parametrize("family", Family)
def test_what_never_leaves_the_node_is_counted_once(
    topology: Topology, datapath: NftDatapath, counters: NftCounters, family: Family
) -> None:
    """Such a packet passes the hooks for sent packets and those for received ones."""
    echo = Echo()
    try:
        echo.listen(topology.node, family, "node", 9000, str(NODE[family]))
        match = FrontendAddress(VIP[family], Protocol.UDP, 80)
        choice = Choice((Backend.at(NODE[family], 9000),))
        install(topology, datapath, Frontend(match, AddressKind.CLUSTER_IP, choice))
        for client in (topology.node, topology.backends[0]):
            topology.node.run(forget_all_flows)
            client.ask(VIP[family], 80, DATAGRAM)
    finally:
        echo.close()
    at = pair(VIP[family], Protocol.UDP, 80, NODE[family])
    found = counted(topology, counters)
    assert (found.connections, found.requests[at].packets, found.replies[at].packets) == ({at: 2}, 2, 2)


def test_what_is_refused(topology: Topology, datapath: NftDatapath, counters: NftCounters) -> None:
    guarded = FrontendAddress(ip_address("198.18.100.1"), Protocol.TCP, 80)
    choice = Choice((Backend.at(backend_address(V4, 2), PORT),))
    only = (ip_network("192.0.2.0/24"),)
    install(
        topology,
        datapath,
        *node_port(V4, ()),
        *cluster(V4, (2,)),
        Frontend(guarded, AddressKind.LOAD_BALANCER, choice, sources=only),
    )
    for address, port in ((NODE[V4], NODE_PORT), (VIP[V4], 81), (guarded.address, 80)):
        asking = topology.node if address == VIP[V4] else topology.client
        with pytest.raises(OSError, match=r"refused|timed out"):
            asking.ask(address, port, STREAM, timeout=0.5)
    refusals = counted(topology, counters).refusals
    assert {sent[1:]: amount.packets for sent, amount in refusals.items()} == {(6, NODE_PORT): 1, (6, 81): 1, (6, 80): 1}


def test_what_is_forgotten_is_counted_anew_and_is_no_interference(
    topology: Topology, datapath: NftDatapath, counters: NftCounters
) -> None:
    install(topology, datapath, *node_port(V4, (2,)))
    topology.node.run(datapath.fileno)
    ask = partial(topology.client.ask, NODE[V4], NODE_PORT, DATAGRAM)
    ask()
    found = counted(topology, counters)
    (at,) = found.requests
    unknown = pair(NODE[V4], Protocol.TCP, 1, backend_address(V4, 2))
    topology.node.run(lambda: counters.forget([unknown, at]))
    assert counted(topology, counters) == Counts()
    assert topology.node.run(datapath.inspect) is None
    ask()
    assert counted(topology, counters).requests == {at: Amount(1, 29)}


def test_counting_goes_on_over_a_restart(topology: Topology, datapath: NftDatapath, counters: NftCounters) -> None:
    frontends = node_port(V4, (2,))
    install(topology, datapath, *frontends)
    with topology.client.open_socket(V4, socket.SOCK_DGRAM) as asking:
        asking.connect((str(NODE[V4]), NODE_PORT))
        for expected in (1, 2):
            asking.send(b"?")
            asking.recv(200)
            (amount,) = counted(topology, counters).requests.values()
            assert amount.packets == expected
            again = NftDatapath()
            topology.node.run(again.start)
            install(topology, again, *frontends)
            again.close()
