"""NodePorts at the node's loopback addresses: for its own processes, and for nobody else."""

from __future__ import annotations

import socket
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Address, Family
from moorage.model.snapshot import Snapshot
from moorage.table.facts import node_facts
from moorage.table.types import ForwardingTable, Locality
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import DATAGRAM, NODE_PORT, STREAM, V4, V6, install, node_port, refusal
from tests.kernel.topology import NODE, Topology
from tests.kernel.wire.node import Captured, WireNode
from tests.kernel.wire.packets import Packet, Transport
from tests.table.objects import node

pytestmark = [pytest.mark.kernel, needs_root]

ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")
HERE, ALSO_HERE, SIX = ip_address("127.0.0.1"), ip_address("127.1.2.3"), ip_address("::1")
OUTSIDE = ip_address("198.51.100.7")

by_kind = pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])


def locality() -> Locality:
    """As a node has it on which nothing is set."""
    snapshot = Snapshot.of([node("node-1", *map(str, NODE.values()))])
    return node_facts("node-1", snapshot).locality


def serve(topology: Topology, datapath: NftDatapath, *backends: int, at: Locality | None = None) -> None:
    frontends = [each for family in Family for each in node_port(family, backends)]
    served = at or locality()
    install(topology, datapath, *frontends, node_port_addresses=served.node_port_addresses)


def asked(topology: Topology, address: Address, kind: socket.SocketKind) -> list[str]:
    """Backend, and the source that it saw."""
    return topology.node.ask(address, NODE_PORT, kind).split()[:2]


@by_kind
def test_the_nodes_own_processes_reach_it(topology: Topology, datapath: NftDatapath, kind: socket.SocketKind) -> None:
    serve(topology, datapath, 3)
    assert topology.node.run(ROUTE_LOCALNET.read_text) == "1\n"
    for address in (HERE, ALSO_HERE, NODE[V4]):
        assert asked(topology, address, kind) == ["b3", str(NODE[V4])]


@by_kind
def test_a_connection_lives_on_and_new_ones_are_refused_once_there_is_no_backend(
    topology: Topology, datapath: NftDatapath, kind: socket.SocketKind
) -> None:
    serve(topology, datapath, 3)
    with topology.node.open_socket(V4, STREAM) as held:
        held.connect((str(HERE), NODE_PORT))
        serve(topology, datapath)
        refusal(topology.node, HERE, NODE_PORT, kind)
        held.send(b"?")
        assert held.recv(200).startswith(b"b3")


@by_kind
def test_in_ipv6_it_is_refused_at_once(topology: Topology, datapath: NftDatapath, kind: socket.SocketKind) -> None:
    """So a client of `localhost` goes on to 127.0.0.1. The node's other addresses serve both families."""
    serve(topology, datapath, 3)
    refusal(topology.node, SIX, NODE_PORT, kind)
    assert asked(topology, NODE[V6], kind) == ["b3", str(NODE[V6])]
    with topology.node.run(lambda: socket.create_connection(("localhost", NODE_PORT), timeout=3)) as found:
        assert found.getpeername() == (str(HERE), NODE_PORT)


@by_kind
def test_no_answer_comes_back_to_the_loopback_address_of_ipv6(
    topology: Topology, datapath: NftDatapath, kind: socket.SocketKind
) -> None:
    """What would be if it were served: the kernel does not route an answer from a wire to ::1."""
    here = locality()
    at = msgspec.structs.replace(here, node_port_addresses=(*here.node_port_addresses, ip_network("::1")))
    serve(topology, datapath, 3, at=at)
    with pytest.raises(TimeoutError):
        topology.node.ask(SIX, NODE_PORT, kind, timeout=0.3)


def test_removing_it_closes_what_was_opened(topology: Topology, datapath: NftDatapath) -> None:
    serve(topology, datapath, 3)
    again = NftDatapath()
    topology.node.run(again.start)
    serve(topology, again, 2)
    assert asked(topology, HERE, STREAM)[0] == "b2"
    topology.node.run(again.remove)
    assert topology.node.run(ROUTE_LOCALNET.read_text) == "0\n"
    refusal(topology.node, HERE, NODE_PORT, STREAM)


def test_nothing_from_a_wire_gets_to_a_loopback_address() -> None:
    """CVE-2020-8558: with `route_localnet` a neighbour would reach what listens on 127.0.0.1, and NodePorts there. Nor does
    anything get in from a loopback address. The last look shows what the kernel does without the guard.
    """
    attacks = [
        Packet(OUTSIDE, HERE, Transport.UDP, 4000, 9, 1),
        Packet(OUTSIDE, HERE, Transport.TCP, 4000, NODE_PORT, 2),
        Packet(OUTSIDE, ALSO_HERE, Transport.ECHO, 4000, 1, 3),
        Packet(ip_address("127.0.0.2"), NODE[V4], Transport.UDP, 4000, 9, 4),
    ]
    table = ForwardingTable({Key("default", "web"): node_port(V4, (2,))}, locality=locality())
    with WireNode() as wire:

        def attack() -> list[Captured]:
            wire.reset()
            wire.inject_many((link, each) for link in ("lan", "pod5") for each in attacks)
            return wire.collect()

        datapath = NftDatapath()
        wire.node.run(datapath.start)
        wire.node.run(lambda: datapath.apply(table))
        assert wire.node.run(ROUTE_LOCALNET.read_text) == "1\n"
        assert attack() == []
        command = ["nft", "flush chain ip moorage isolate"]
        wire.node.run(lambda: subprocess.run(command, check=True))
        assert {each.packet.identity for each in attack()} >= {1, 2, 3, 4}
        wire.node.run(datapath.remove)
