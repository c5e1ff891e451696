"""A thousand changes while connections are made all the time: each one succeeds, and at an endpoint of that moment."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Family
from moorage.table.types import ForwardingTable
from tests.datapath.tables import frontend
from tests.kernel.clients import Clients
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import LOCALITY, NODE_PORT, V4, V6, VIP, cluster, node_port
from tests.kernel.topology import NODE, Topology

pytestmark = [pytest.mark.kernel, needs_root]

CHANGES = 1000
SETTLE_EVERY = 20
"""Changes; an agent forgets stale flows 50 ms after one."""
ENDPOINTS = (2, 3, 4, 5)
DECOY = 6
"""Listens like the others, and is never an endpoint of the Service."""


class Applied(NamedTuple):
    """One table: when the kernel was first told of it, when it surely had it, and the backends that it names."""

    since: float
    until: float
    backends: tuple[int, ...]


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with Topology(backends=5) as made:
        yield made


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
