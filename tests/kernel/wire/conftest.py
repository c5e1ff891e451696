"""One node for all tests of this folder; each test finds it without rules, connections and packets under way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.wire.node import WireNode
from tests.kernel.wire.rules import load


@pytest.fixture(scope="package")
def shared() -> Iterator[WireNode]:
    with WireNode() as made:
        yield made


@pytest.fixture
def wire(shared: WireNode) -> WireNode:
    load(shared.node, "")
    shared.reset()
    return shared
