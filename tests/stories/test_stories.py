"""Manifests in any order -> snapshot -> table -> where packets go; then everything is deleted, and nothing is left.

Each `*.yaml` beside this file is one story: manifests as a user or a controller writes them, and a last document `kind: Story`
with what each machine does with packets. `cluster.yaml` holds the Nodes that all stories happen on. A story is played in every
order of its objects, or in many random ones, one object at a time through one Compiler per node.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moorage.balance.edge import edge_table
from moorage.datapath.fake import FakeDatapath
from moorage.manifest.convert import decode
from moorage.manifest.read import read_documents
from moorage.model.kinds import KINDS
from moorage.model.meta import Object
from moorage.model.net import Protocol, parse_address
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.compile import Compiler, compile_table
from moorage.table.facts import LOOPBACK, node_facts
from moorage.table.trace import Action, Delivery, Packet, Verdict, trace
from moorage.table.types import ForwardingTable, Locality, NodeFacts

HERE = Path(__file__).parent
STORIES = sorted(path for path in HERE.glob("*.yaml") if path.name != "cluster.yaml")
MOST_ORDERS = 24
PROCESS = "process"
"""The source of packets that the machine itself sends."""


class Story(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes`: node -> packet -> outcome, `edge` the same for the load balancer, given the `healthy` nodes.

    `verdicts`: Service -> the reasons that the nodes' tables note for it, in order; Services that are not named have none.
    """

    kind: str
    nodes: dict[str, dict[str, str]] = {}
    edge: dict[str, str] = {}
    healthy: list[str] = []
    verdicts: dict[str, list[str]] = {}


def read(path: Path) -> tuple[list[Object], list[Any]]:
    objects, rest = [], []
    for document in read_documents(path.read_text()):
        kind = next((each for each in KINDS if each.kind == document.tree["kind"]), None)
        if kind is None:
            rest.append(document.tree)
            continue
        decoded = decode(kind, document.tree)
        assert not decoded.unknown_fields, f"{path.name}:{document.line}: {decoded.unknown_fields}"
        objects.append(decoded.obj)
    return objects, rest


def orders(objects: Sequence[Object]) -> Iterator[list[Object]]:
    if len(objects) <= 4:
        yield from map(list, itertools.permutations(objects))
        return
    shuffle = random.Random(len(objects))
    for _ in range(MOST_ORDERS):
        yield shuffle.sample(objects, len(objects))


def packet(text: str) -> Packet:
    """`SOURCE -> ADDRESS:PORT/protocol`; an IPv6 destination is in brackets."""
    match = re.fullmatch(r"(\S+) -> \[?([0-9a-f.:]+?)\]?:(\d+)/(\w+)", text)
    assert match is not None, f"not a packet: {text}"
    destination = parse_address(match[2])
    source = destination if match[1] == PROCESS else parse_address(match[1])
    assert source is not None, text
    assert destination is not None, text
    return Packet(source, destination, Protocol(match[4].upper()), int(match[3]), local=match[1] == PROCESS)


def outcome(verdict: Verdict) -> str:
    """A verdict in the words of the stories: `to 10.244.0.1:8080 (kept)`, `refused, NoReadyEndpoint`, `not a Service's`."""
    if verdict.action is Action.FORWARD:
        return "to " + ", ".join(map(_delivery, verdict.deliveries))
    words = {Action.REJECT: "refused", Action.DROP: "dropped"}
    return f"{words[verdict.action]}, {verdict.reason.value}" if verdict.action in words else "not a Service's"


def _delivery(delivery: Delivery) -> str:
    address = delivery.backend.address
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:{delivery.backend.port} ({delivery.source.value})"


def answers(table: ForwardingTable, facts: NodeFacts, asked: Mapping[str, str]) -> dict[str, str]:
    return {each: outcome(trace(table, facts, packet(each))) for each in asked}


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
    objects, (tree,) = read(path)
    objects += read(HERE / "cluster.yaml")[0]
    story = msgspec.convert(tree, Story)
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
