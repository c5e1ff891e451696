"""Random packets through random clusters, through the table and through the kernel: the verdicts have to be the same.

`MOORAGE_DIFFERENTIAL` is how many clusters. Each gets 200 packets and, where one may go to several backends, so many more that
all of them have to be met. A failure shrinks to a small cluster and one packet, printed as a story for tests/stories.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.manifest.convert import decode
from moorage.model.kinds import KINDS
from moorage.model.meta import Object
from moorage.model.snapshot import Snapshot
from moorage.table.compile import compile_table
from moorage.table.facts import node_facts
from moorage.table.trace import Action, Packet, Verdict, trace
from moorage.table.types import ForwardingTable, NodeFacts
from tests.kernel.needs import needs_root
from tests.kernel.wire.clusters import NODES, SERVICE_CIDR, clusters, packets
from tests.kernel.wire.node import WireNode
from tests.kernel.wire.oracle import Judge

pytestmark = [pytest.mark.kernel, needs_root]

CLUSTERS = int(os.environ.get("MOORAGE_DIFFERENTIAL", "300"))
PACKETS = 200
CONSISTENT = max(1, CLUSTERS // 10)
"""Clusters whose frontends all choose consistently."""
SPREAD = 4
"""Packets with several backends that are sent often."""
MOST_REPEATS = 2000
SURE = 60
"""Packets that the backend with the smallest share gets on average: it is missed once in e^60 times."""
DEVIATIONS = 7
"""Standard deviations that a share may be off: exceeded once in 400 billion times."""
_KINDS = {kind.kind: kind for kind in KINDS}


class Bench:
    """The node under test with its datapath, which goes from one cluster to the next."""

    def __init__(self, wire: WireNode) -> None:
        self.wire = wire
        self.judge = Judge(wire)
        self.datapath = NftDatapath()
        wire.node.run(self.datapath.start)
        self.packets = 0
        self.verdicts: Counter[str] = Counter()
        self.clusters = 0

    def install(self, objects: Sequence[Object], consistent: bool = False) -> tuple[ForwardingTable, NodeFacts]:
        snapshot = Snapshot.of(objects)
        facts = node_facts("node-1", snapshot)
        table = compile_table(snapshot, facts)
        if consistent:
            services = {key: tuple(replace(each, consistent=True) for each in of) for key, of in table.services.items()}
            table = replace(table, services=services)
        self.wire.node.run(lambda: self.datapath.apply(table))
        self.clusters += 1
        return table, facts

    def send(self, packet: Packet, verdict: Verdict) -> int:
        self.packets += 1
        self.verdicts[verdict.action.value] += 1
        return self.judge.send(packet, verdict)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with WireNode() as wire:
        made = Bench(wire)
        yield made
        wire.node.run(made.datapath.remove)
        print(f"{made.clusters} clusters, {made.packets} packets: {dict(made.verdicts)}")  # noqa: T201


def objects_of(trees: Sequence[dict[str, Any]]) -> list[Object]:
    return [decode(_KINDS[tree["kind"]], tree).obj for tree in trees]


def story(trees: Sequence[dict[str, Any]], packet: Packet, complaint: str) -> str:
    """The failing case as a file for tests/stories. What should come of the packet is for a person to say."""
    source = "process" if packet.local else packet.source
    host = f"[{packet.destination}]" if packet.destination.version == 6 else packet.destination
    to = f"{source} ping {packet.destination}" if packet.protocol is None else f"{source} -> {host}:{packet.destination_port}/"
    asked = to + (packet.protocol.value.lower() if packet.protocol else "")
    documents = [*trees, {"kind": "Story", "nodes": {"node-1": {asked: "?"}}}]
    return f"# {complaint}\n" + yaml.safe_dump_all(documents, sort_keys=False)


def coverage(bench: Bench, packet: Packet, verdict: Verdict) -> str:
    """Sends the packet so often that every backend has to be met. Gives what is wrong."""
    count = math.ceil(SURE / min(each.share for each in verdict.deliveries))
    if count > MOST_REPEATS:
        return ""
    numbers = [bench.send(packet, verdict) for _ in range(count)]
    complaints = bench.judge.complaints()
    if complaints:
        return complaints[0]
    met = Counter(bench.judge.last[number] for number in numbers)
    for each in verdict.deliveries:
        found = met[each.backend.address, each.backend.port or packet.destination_port]
        allowed = DEVIATIONS * math.sqrt(count * each.share * (1 - each.share))
        if abs(found - count * each.share) > allowed:
            return f"{each.backend} got {found} of {count} packets, and its share is {each.share:.0%}"
    return ""


@settings(
    max_examples=CLUSTERS,
    deadline=None,
    database=None,
    derandomize="MOORAGE_DIFFERENTIAL" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(trees=clusters(), seed=st.integers(0, 1 << 32))
def test_the_kernel_does_what_the_table_says(bench: Bench, trees: list[dict[str, Any]], seed: int) -> None:
    table, facts = bench.install(objects_of([*NODES, SERVICE_CIDR, *trees]))
    asked = list(packets(trees, seed, PACKETS))
    verdicts = [trace(table, facts, each) for each in asked]
    for packet, verdict in zip(asked, verdicts, strict=True):
        bench.send(packet, verdict)
    complaints = bench.judge.complaints()
    if complaints:
        culprit = next((each for each in asked if complaint_of(bench, table, facts, each)), asked[0])
        note(story(trees, culprit, complaints[0]))
    assert complaints == []
    spread = [(p, v) for p, v in zip(asked, verdicts, strict=True) if v.action is Action.FORWARD and len(v.deliveries) > 1]
    for packet, verdict in [each for each in spread if each[1].frontend and not each[1].frontend.affinity][:SPREAD]:
        complaint = coverage(bench, packet, verdict)
        if complaint:
            note(story(trees, packet, complaint))
        assert not complaint


@settings(max_examples=CONSISTENT, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(trees=clusters(), seed=st.integers(0, 1 << 32))
def test_a_consistent_choice_is_one_of_the_same(bench: Bench, trees: list[dict[str, Any]], seed: int) -> None:
    """As edges choose (Maglev). Equal packets go to equal backends, so that shares are not judged here."""
    table, facts = bench.install(objects_of([*NODES, SERVICE_CIDR, *trees]), consistent=True)
    for packet in packets(trees, seed, PACKETS):
        bench.send(packet, trace(table, facts, packet))
    assert bench.judge.complaints() == []


def complaint_of(bench: Bench, table: ForwardingTable, facts: NodeFacts, packet: Packet) -> str:
    bench.send(packet, trace(table, facts, packet))
    return next(iter(bench.judge.complaints()), "")
