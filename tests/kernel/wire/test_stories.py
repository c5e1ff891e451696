"""The stories of tests/stories with real packets: what they say of node-1 is what the kernel does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.snapshot import Snapshot
from moorage.table.compile import compile_table
from moorage.table.facts import node_facts
from moorage.table.trace import trace
from tests.kernel.needs import needs_root
from tests.kernel.wire.node import WireNode
from tests.kernel.wire.oracle import Judge
from tests.stories.play import STORIES, outcome, packet, read_story

pytestmark = [pytest.mark.kernel, needs_root]

NODE = "node-1"
"""The one that `WireNode` is."""
TOLD_OF_NODE = [path for path in STORIES if read_story(path)[1].nodes.get(NODE)]


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[WireNode, NftDatapath]]:
    with WireNode() as wire:
        datapath = NftDatapath()
        wire.node.run(datapath.start)
        yield wire, datapath
        wire.node.run(datapath.remove)


@pytest.mark.parametrize("path", TOLD_OF_NODE, ids=lambda path: path.stem)
def test_story(installed: tuple[WireNode, NftDatapath], path: Path) -> None:
    wire, datapath = installed
    objects, story = read_story(path)
    snapshot = Snapshot.of(objects)
    facts = node_facts(NODE, snapshot)
    table = compile_table(snapshot, facts)
    wire.node.run(lambda: datapath.apply(table))
    wire.reset()
    judge = Judge(wire)
    for text, expected in story.nodes[NODE].items():
        asked = packet(text, facts)
        verdict = trace(table, facts, asked)
        assert outcome(verdict) == expected
        judge.send(asked, verdict)
    assert judge.complaints() == []


def test_most_stories_have_something_to_say_of_it() -> None:
    assert len(TOLD_OF_NODE) >= 23
