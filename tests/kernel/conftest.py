"""A node with clients and backends for the tests of a file, and a datapath on it for each of them. And a LAN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from tests.kernel.lan import Lan
from tests.kernel.topology import Topology, forget_all_flows


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with Topology() as made:
        yield made


@pytest.fixture
def lan() -> Iterator[Lan]:
    with ExitStack() as stack:
        yield Lan(stack)


@pytest.fixture
def datapath(topology: Topology) -> Iterator[NftDatapath]:
    made = NftDatapath()
    topology.node.run(made.start)
    yield made
    topology.node.run(made.remove)
    topology.node.run(forget_all_flows)
