"""Session affinity with real packets: a client, which is a source address, goes where it went before."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from ipaddress import ip_address

import msgspec
import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.net import Address, Family
from moorage.table.types import ANY_ADDRESS, AddressKind, Frontend
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import (
    DATAGRAM,
    NODE_PORT,
    PODS,
    STREAM,
    V4,
    V6,
    VIP,
    both_protocols,
    choice,
    cluster,
    install,
    node_port,
)
from tests.kernel.topology import NODE, Topology

pytestmark = [pytest.mark.kernel, needs_root]

LONG, SHORT = 600, 2
"""Seconds that a client is kept."""
OTHER_PORT = NODE_PORT + 1
CROWD: dict[Family, tuple[Address, ...]] = {
    V4: tuple(ip_address(f"198.18.1.{number}") for number in range(1, 61)),
    V6: tuple(ip_address(f"2001:db8:1::{number:x}") for number in range(1, 61)),
}
"""So many clients that one of three backends is left out once in ten billion draws, and never are two draws alike."""
PORTS = itertools.cycle(range(10_000, 60_000))
"""Each asks from another one: from that of a connection that the kernel still tracks, it would go where that one went."""
_FREEBIND = {V4: (socket.IPPROTO_IP, 15), V6: (socket.IPPROTO_IPV6, 78)}
"""`IP_FREEBIND`, `IPV6_FREEBIND`: an address may be bound that stands in a route only."""
WAYS = [(family, kind) for family in Family for kind in (STREAM, DATAGRAM)]

by_family = pytest.mark.parametrize("family", Family)
by_kind = pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])

Answers = dict[Address, str]
"""Which backend each of the crowd came to."""


@pytest.fixture(scope="module")
def topology(topology: Topology) -> Topology:
    """The client's namespace owns all addresses of the crowd."""
    for version, prefix in (("-4", "198.18.1.0/24"), ("-6", "2001:db8:1::/64")):
        route = ["ip", version, "route", "add", "local", prefix, "dev", "lo"]
        topology.client.run(partial(subprocess.run, route, check=True))
    return topology


def ask(topology: Topology, source: Address, kind: socket.SocketKind, port: int = NODE_PORT) -> str:
    """The backend that answers one of the crowd at a NodePort."""
    family = Family.of(source)
    with topology.client.open_socket(family, kind) as asking:
        asking.setsockopt(*_FREEBIND[family], 1)
        asking.bind((str(source), next(PORTS)))
        asking.connect((str(NODE[family]), port))
        asking.send(b"?")
        return asking.recv(200).decode().split()[0]


def ask_all(topology: Topology, family: Family, kind: socket.SocketKind = STREAM, port: int = NODE_PORT) -> Answers:
    return {source: ask(topology, source, kind, port) for source in CROWD[family]}


def ask_each_way(topology: Topology) -> dict[tuple[Family, socket.SocketKind], Answers]:
    return {way: ask_all(topology, *way) for way in WAYS}


def kept(backends: tuple[int, ...], seconds: int = LONG) -> Iterator[Frontend]:
    """A NodePort in both families and over both protocols."""
    for family in Family:
        yield from node_port(family, backends, affinity=seconds)


@by_family
@by_kind
def test_a_client_stays_and_clients_spread(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    install(topology, datapath, *kept((2, 3, 4)))
    first = ask_all(topology, family, kind)
    assert set(first.values()) == {"b2", "b3", "b4"}
    for _ in range(3):
        assert ask_all(topology, family, kind) == first


@by_family
@by_kind
def test_pods_and_the_nodes_own_processes_stay(
    topology: Topology, datapath: NftDatapath, family: Family, kind: socket.SocketKind
) -> None:
    """At the ClusterIP, and the node at its own NodePort too. A Pod stays also where its backend is itself."""
    install(topology, datapath, *cluster(family, (2, 3, 4), affinity=LONG), *kept((2, 3, 4)))
    for namespace in (topology.node, *topology.backends):
        assert len({namespace.ask(VIP[family], 80, kind).split()[0] for _ in range(30)}) == 1
    assert len({topology.node.ask(NODE[family], NODE_PORT, kind).split()[0] for _ in range(30)}) == 1


@by_family
def test_each_port_keeps_its_own_clients(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """A port of another number or another protocol is another frontend."""
    other = both_protocols(ANY_ADDRESS[family], OTHER_PORT, AddressKind.NODE_PORT, (2, 3, 4), affinity=LONG)
    install(topology, datapath, *kept((2, 3, 4)), *other)

    def look() -> list[Answers]:
        kinds = (STREAM, DATAGRAM)
        return [ask_all(topology, family, kind, port) for port in (NODE_PORT, OTHER_PORT) for kind in kinds]

    first = look()
    assert len({tuple(each.values()) for each in first}) == 4
    assert look() == first


def test_a_client_is_kept_for_its_time_after_each_connection(topology: Topology, datapath: NftDatapath) -> None:
    """Each connection begins the time anew; a client that was away for longer draws again."""
    install(topology, datapath, *kept((2, 3, 4), SHORT))
    before: dict[tuple[Address, socket.SocketKind], tuple[float, str]] = {}
    for pause in (0, 0.6 * SHORT, 0.6 * SHORT):
        time.sleep(pause)
        for family, kind in WAYS:
            for source in CROWD[family]:
                since = time.monotonic()
                answer = ask(topology, source, kind)
                begun, last = before.get((source, kind), (0.0, ""))
                assert answer == last or time.monotonic() - begun >= SHORT
                before[source, kind] = since, answer
    time.sleep(1.2 * SHORT)
    again = ask_each_way(topology)
    for family, kind in WAYS:
        assert any(again[family, kind][source] != before[source, kind][1] for source in CROWD[family])


def test_other_backends_and_other_agents_come_and_go(topology: Topology, datapath: NftDatapath) -> None:
    """Whose backend goes moves to another one, and stays there; nobody else moves."""
    ways = ((V4, STREAM), (V6, DATAGRAM))

    def look() -> list[Answers]:
        return [ask_all(topology, *way) for way in ways]

    install(topology, datapath, *kept((2, 3, 4)))
    first = look()
    install(topology, datapath, *kept((2, 4)))
    second = look()
    for before, after in zip(first, second, strict=True):
        assert moved(before, after, "b3")
    datapath.close()
    again = NftDatapath()
    topology.node.run(again.start)
    install(topology, again, *kept((4, 3, 2)))
    assert look() == second
    again.close()
    install(topology, datapath, *kept((3, 4)))
    third = look()
    for before, after in zip(second, third, strict=True):
        assert moved(before, after, "b2")
    assert look() == third


def moved(before: Answers, after: Answers, gone: str) -> bool:
    """Whether the clients of a backend that has gone went elsewhere, and nobody else."""
    return all((after[source] == answer) is (answer != gone) for source, answer in before.items())


def test_only_the_clients_of_a_replaced_backend_move(topology: Topology, datapath: NftDatapath) -> None:
    install(topology, datapath, *kept((2, 3)))
    first = ask_all(topology, V4)
    install(topology, datapath, *kept((2, 4)))
    second = ask_all(topology, V4)
    assert all(answer == "b2" for source, answer in second.items() if first[source] == "b2")
    assert ask_all(topology, V4) == second


def test_affinity_is_turned_on_and_off(topology: Topology, datapath: NftDatapath) -> None:
    """Under connections that are open, and with new ones after each change."""
    held = [topology.client.open_socket(family, STREAM) for family in Family]

    def exchange() -> list[str]:
        for each in held:
            each.send(b"?")
        return [each.recv(200).decode().split()[0] for each in held]

    install(topology, datapath, *kept((2, 3, 4), 0))
    for family, each in zip(Family, held, strict=True):
        each.connect((str(NODE[family]), NODE_PORT))
    answers = exchange()
    for seconds in (LONG, 0, LONG, LONG + 1, 0, 1, LONG):
        install(topology, datapath, *kept((2, 3, 4), seconds))
        first = ask_each_way(topology)
        if seconds != 1:
            assert (ask_each_way(topology) == first) is bool(seconds)
        assert exchange() == answers
    for each in held:
        each.close()


def test_another_time_holds_from_the_next_connection_on(topology: Topology, datapath: NftDatapath) -> None:
    install(topology, datapath, *kept((2, 3, 4), LONG))
    first = ask_each_way(topology)
    install(topology, datapath, *kept((2, 3, 4), 1))
    assert changed(first, ask_each_way(topology)) == set()
    time.sleep(1.4)
    second = ask_each_way(topology)
    assert changed(first, second) == set(WAYS)
    install(topology, datapath, *kept((2, 3, 4), LONG))
    ask_each_way(topology)  # on a busy machine some are forgotten just then
    third = ask_each_way(topology)
    time.sleep(1.4)
    assert ask_each_way(topology) == third


def changed(before: dict[tuple[Family, socket.SocketKind], Answers], after: object) -> set[object]:
    assert isinstance(after, dict)
    return {way for way, answers in before.items() if after[way] != answers}


@by_family
def test_clients_inside_have_backends_of_their_own(topology: Topology, datapath: NftDatapath, family: Family) -> None:
    """What is inside draws among other backends, is kept among them, and outlives a change of that."""
    same, other = node_port(family, (3, 4), affinity=LONG), choice(family, (2, 3))
    split = [msgspec.structs.replace(each, inside=other) for each in same]
    own: list[Callable[[], str]] = [
        lambda: topology.node.ask(NODE[family], NODE_PORT).split()[0],
        lambda: topology.backends[0].ask(NODE[family], NODE_PORT).split()[0],
    ]
    install(topology, datapath, *split, pods_here=(PODS[family],))
    outside = ask_all(topology, family)
    assert set(outside.values()) == {"b3", "b4"}
    assert all(once(each() for _ in range(20)) in ("b2", "b3") for each in own)
    install(topology, datapath, *same, pods_here=(PODS[family],))
    assert ask_all(topology, family) == outside
    assert all(once(each() for _ in range(20)) in ("b3", "b4") for each in own)


def once(answers: Iterable[str]) -> str:
    """What all of them are."""
    found = set(answers)
    assert len(found) == 1
    return found.pop()
