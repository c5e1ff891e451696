"""A thousand changes while connections are made all the time: each one succeeds, and at an endpoint of that moment."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Address, Family
from moorage.table.types import ForwardingTable
from tests.datapath.tables import frontend
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import LOCALITY, NODE_PORT, V4, V6, VIP, cluster, node_port
from tests.kernel.topology import NODE, Namespace, Topology

pytestmark = [pytest.mark.kernel, needs_root]

CHANGES = 1000
SETTLE_EVERY = 20
"""Changes; an agent forgets stale flows 50 ms after one."""
ENDPOINTS = (2, 3, 4, 5)
DECOY = 6
"""Listens like the others, and is never an endpoint of the Service."""
PATIENCE = 8.0
"""Seconds. A first SYN on its way when its backend goes is sent again after one, and the next one after two more."""


PAUSE = 0.001
"""Seconds between two connections of one client, which leave time for changes."""


class Asked(NamedTuple):
    """One connection: when it began and ended (monotonic), and which backend answered."""

    since: float
    until: float
    answer: str


class Applied(NamedTuple):
    """One table: when the kernel was first told of it, when it surely had it, and the backends that it names."""

    since: float
    until: float
    backends: tuple[int, ...]


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with Topology(backends=5) as made:
        yield made


class Clients:
    """Threads that make one connection after the other until they are told to stop."""

    def __init__(self, *ways: tuple[Namespace, Address, int]) -> None:
        self.asked: list[Asked] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=way) for way in ways]

    def __enter__(self) -> Clients:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(2 * PATIENCE)

    def _ask(self, namespace: Namespace, address: Address, port: int) -> None:
        while not self._stop.wait(PAUSE):
            since = time.monotonic()
            try:
                answer = namespace.ask(address, port, socket.SOCK_STREAM, PATIENCE).split()[0]
            except OSError as error:
                self.failed.append(f"{address}: {error!r} after {time.monotonic() - since:.2f} s")
            else:
                self.asked.append(Asked(since, time.monotonic(), answer))


def tables() -> Iterator[tuple[tuple[int, ...], ForwardingTable]]:
    """At least one backend at a time; in two of three tables the frontends keep their clients, or ask for masquerading.
    Other Services come and go beside it, one of them with the decoy.
    """
    draw = random.Random(8)
    for number in range(CHANGES):
        backends = tuple(sorted(draw.sample(ENDPOINTS, draw.randint(1, len(ENDPOINTS)))))
        more = draw.choice(({}, {"affinity": 600}, {"masquerade": True}))
        web = [each for family in Family for make in (cluster, node_port) for each in make(family, backends, **more)]
        services = {Key("default", "web"): tuple(web), Key("default", "decoy"): cluster(V4, (DECOY,), port=81)}
        other = frontend("10.96.0.99", 1000 + number % 7, backends=(9, 8, 7)[: number % 4])
        services[Key("default", f"other-{number % 5}")] = (other,)
        yield backends, ForwardingTable(services, locality=LOCALITY)


def change(topology: Topology, datapath: NftDatapath) -> list[Applied]:
    applied = []
    for number, (backends, table) in enumerate(tables()):
        since = time.monotonic()
        topology.node.run(partial(datapath.apply, table))
        applied.append(Applied(since, time.monotonic(), backends))
        if number % SETTLE_EVERY == 0:
            topology.node.run(datapath.settle)
    return applied


def in_force(applied: list[Applied], since: float, until: float) -> Iterable[str]:
    """The backends of all tables that the kernel may have had at some moment of that time."""
    ends = [each.until for each in applied[1:]] + [float("inf")]
    return {
        f"b{number}"
        for each, end in zip(applied, ends, strict=True)
        if each.since <= until and end >= since
        for number in each.backends
    }


def test_every_connection_finds_an_endpoint_of_its_time(topology: Topology, datapath: NftDatapath) -> None:
    backends, first = next(tables())
    topology.node.run(lambda: datapath.apply(first))
    ways = [(topology.backends[0], VIP[V4], 80), (topology.node, VIP[V6], 80), (topology.client, NODE[V4], NODE_PORT)]
    with Clients(*ways) as clients:
        applied = [Applied(0, 0, backends), *change(topology, datapath)]
    assert clients.failed == []
    assert len(clients.asked) > CHANGES / 2
    astray = [each for each in clients.asked if each.answer not in in_force(applied, each.since, each.until)]
    assert astray == []
    assert {each.answer for each in clients.asked} == {f"b{number}" for number in ENDPOINTS}
