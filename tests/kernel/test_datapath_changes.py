"""Real packets while the table changes: nothing is lost, what is under way stays, what is stale moves."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Family, Protocol
from moorage.table.types import AddressKind, Backend, Choice, ForwardingTable, Frontend, FrontendAddress
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import DATAGRAM, LOCALITY, NODE_PORT, STREAM, V4, VIP, cluster, install, node_port
from tests.kernel.topology import NODE, PORT, Topology, backend_address

pytestmark = [pytest.mark.kernel, needs_root]

NOBODY = {Family.IPV4: ip_address("10.244.1.99"), Family.IPV6: ip_address("fd00:244::99")}
"""An address behind the first backend that answers nothing."""


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with Topology() as made:
        for family, version in ((Family.IPV4, "-4"), (Family.IPV6, "-6")):
            route = [
                "ip",
                version,
                "route",
                "add",
                str(NOBODY[family]),
                "via",
                str(backend_address(family, 2)),
                "dev",
                "pod2",
                "onlink",
            ]
            made.node.run(partial(subprocess.run, route, check=True))
        yield made


def exchange(connected: socket.socket) -> str:
    connected.send(b"?")
    return connected.recv(200).decode().split()[0]


def connect(topology: Topology, family: Family, kind: socket.SocketKind) -> socket.socket:
    """From the client to the NodePort."""
    made = topology.client.open_socket(family, kind)
    made.connect((str(NODE[family]), NODE_PORT))
    return made


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_no_connection_fails_while_backends_come_and_go(
    topology: Topology, datapath: NftDatapath, kind: socket.SocketKind
) -> None:
    """Every backend answers all the time, so every connection has to succeed whatever the table says at that moment. Flows
    are forgotten between two questions: an answer on its way when its flow is forgotten is lost, as datagrams may be.
    """
    install(topology, datapath, *cluster(V4, (2, 3, 4)))
    stop, asking = threading.Event(), threading.Lock()
    answered: list[str] = []
    failed: list[Exception] = []

    def keep_asking() -> None:
        while not stop.is_set():
            with asking:
                try:
                    answered.append(topology.node.ask(VIP[V4], 80, kind))
                except OSError as error:
                    failed.append(error)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    for _ in range(40):
        for backends in ((2, 3, 4), (3,), (2, 3), (4,), (2, 4), (2,)):
            table = ForwardingTable({Key("default", "web"): cluster(V4, backends)}, locality=LOCALITY)
            topology.node.run(partial(datapath.apply, table))
            with asking:
                topology.node.run(datapath.settle)
    stop.set()
    asker.join(10)
    assert failed == []
    assert len(answered) > 100


@pytest.mark.parametrize("family", Family)
def test_a_connection_outlives_its_backend_and_new_ones_go_elsewhere(
    topology: Topology, datapath: NftDatapath, family: Family
) -> None:
    install(topology, datapath, *node_port(family, (2,), masquerade=True))
    with connect(topology, family, STREAM) as old:
        assert exchange(old) == "b2"
        install(topology, datapath, *node_port(family, (3,), masquerade=True))
        assert exchange(old) == "b2"
        with connect(topology, family, STREAM) as new:
            assert exchange(new) == "b3"
        install(topology, datapath, *node_port(family, ()))
        assert exchange(old) == "b2"


@pytest.mark.parametrize("family", Family)
def test_a_datagram_flow_moves_when_its_backend_goes(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    install(topology, datapath, *node_port(family, (2,)))
    with connect(topology, family, DATAGRAM) as flow:
        assert exchange(flow) == "b2"
        install(topology, datapath, *node_port(family, (2, 3)))
        assert exchange(flow) == "b2"
        operations = install(topology, datapath, *node_port(family, (3,)))
        assert exchange(flow) == "b3"
        assert operations == 2 * 5 + 1  # for each protocol two elements replaced and one removed; one flow


@pytest.mark.parametrize("family", Family)
def test_a_datagram_flow_that_found_nobody_finds_the_first_backend(
    topology: Topology, datapath: NftDatapath, family: Family
) -> None:
    """The kernel has tracked the flow as one to the node itself."""
    install(topology, datapath)
    with connect(topology, family, DATAGRAM) as flow:
        with pytest.raises(ConnectionRefusedError):
            exchange(flow)
        install(topology, datapath, *node_port(family, (3,)))
        assert exchange(flow) == "b3"


@pytest.mark.parametrize("family", Family)
def test_a_connection_that_nobody_answered_is_balanced_again(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """The first SYN goes to a backend that is dead; the kernel sends it again after a second."""
    match = node_port(family, ())[0].match
    install(topology, datapath, served(match, str(NOBODY[family])))
    asking = topology.client.open_socket(family, STREAM)
    with asking:
        asking.setblocking(False)
        asking.connect_ex((str(NODE[family]), NODE_PORT))
        install(topology, datapath, served(match, str(backend_address(family, 4))))
        asking.settimeout(5)  # sending waits for the connection
        assert exchange(asking) == "b4"


@pytest.mark.parametrize("family", Family)
def test_a_connection_that_was_routed_on_is_balanced_once_there_is_a_backend(
    topology: Topology, datapath: NftDatapath, family: Family
) -> None:
    """Before a load-balancer address has a backend, the node routes the first SYN to wherever it leads, and tracks it."""
    install(topology, datapath)
    match = FrontendAddress(NOBODY[family], Protocol.TCP, 80)
    with topology.client.open_socket(family, STREAM) as asking:
        asking.setblocking(False)
        asking.connect_ex((str(NOBODY[family]), 80))
        install(topology, datapath, served(match, str(backend_address(family, 4))))
        asking.settimeout(5)
        assert exchange(asking) == "b4"


def served(match: FrontendAddress, address: str) -> Frontend:
    return Frontend(match, AddressKind.NODE_PORT, Choice((Backend.at(ip_address(address), PORT),)))


@pytest.mark.parametrize("family", Family)
def test_a_new_agent_interrupts_nothing(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    frontends = node_port(family, (2, 3), masquerade=True)
    install(topology, datapath, *frontends)
    with connect(topology, family, STREAM) as stream, connect(topology, family, DATAGRAM) as datagrams:
        before = exchange(stream), exchange(datagrams)
        again = NftDatapath()
        topology.node.run(again.start)
        install(topology, again, *frontends)
        assert (exchange(stream), exchange(datagrams)) == before
        again.close()
