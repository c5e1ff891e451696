"""Manifests in any order -> snapshot -> table -> where packets go; then everything is deleted, and nothing is left.

Each `*.yaml` beside this file is one story (`play` says how it is written). It is played in every order of its objects, or
in many random ones, one object at a time through one Compiler per node. `tests/kernel/wire/test_stories.py` plays it in the
kernel.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from moorage.balance.edge import edge_table
from moorage.datapath.fake import FakeDatapath
from moorage.model.meta import Object
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.compile import Compiler, compile_table
from moorage.table.facts import LOOPBACK, node_facts
from moorage.table.types import ForwardingTable, Locality, NodeFacts
from tests.stories.play import STORIES, answers, read_story

MOST_ORDERS = 24


def orders(objects: Sequence[Object]) -> Iterator[list[Object]]:
    if len(objects) <= 4:
        yield from map(list, itertools.permutations(objects))
        return
    shuffle = random.Random(len(objects))
    for _ in range(MOST_ORDERS):
        yield shuffle.sample(objects, len(objects))


class Machine:
    """One node: its compiler, its last table, and a datapath without a kernel that follows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table = ForwardingTable()
        self.facts = NodeFacts(name)
        self.datapath = FakeDatapath()
        self._compiler = Compiler()

    def see(self, snapshot: Snapshot, changes: Changes) -> None:
        self.facts = node_facts(self.name, snapshot)
        self.table = self._compiler.update(snapshot, changes, self.facts)
        self.datapath.apply(self.table)


def installed(table: ForwardingTable) -> FakeDatapath:
    """A datapath that has seen nothing but this table."""
    datapath = FakeDatapath()
    datapath.apply(table)
    return datapath


def held(datapath: FakeDatapath) -> list[str]:
    """Its elements without the slots and seats, which depend on the way."""
    lines = (f"{each}" for of_family in datapath.installed().values() for held in of_family.values() for each in held)
    return sorted(re.sub(r"^(\w*)(backends|seats) (.*) \. \d+ : ", r"\1\2 \3 : ", line) for line in lines)


def play(machines: Sequence[Machine], order: Sequence[Object], snapshot: Snapshot, there: bool) -> Snapshot:
    """Creates (or deletes) the objects one by one; every machine sees every step."""
    for each in order:
        present = {key: obj for key, obj in snapshot.all(type(each)).items() if key != each.key}
        snapshot = snapshot.with_objects(type(each), present | {each.key: each} if there else present)
        for machine in machines:
            machine.see(snapshot, Changes({type(each): frozenset({each.key})}))
    return snapshot


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    objects, story = read_story(path)
    assert story.nodes or story.edge
    for order in orders(objects):
        machines = [Machine(name) for name in story.nodes]
        snapshot = play(machines, order, Snapshot(), there=True)
        for machine in machines:
            asked = story.nodes[machine.name]
            assert answers(machine.table, machine.facts, asked) == asked, machine.name
            said = {str(key): [note.reason.value for note in notes] for key, notes in machine.table.notes.items()}
            assert said == story.verdicts
            assert machine.table == compile_table(snapshot, machine.facts)
            assert held(machine.datapath) == held(installed(machine.table))
        table = edge_table(snapshot, frozenset(story.healthy))
        assert answers(table, NodeFacts("edge"), story.edge) == story.edge
        snapshot = play(machines, list(reversed(order)), snapshot, there=False)
        for machine in machines:
            assert machine.table == ForwardingTable(locality=Locality(node_port_addresses=LOOPBACK))
            assert held(machine.datapath) == held(installed(machine.table))
        assert edge_table(snapshot, frozenset(story.healthy)) == ForwardingTable()
