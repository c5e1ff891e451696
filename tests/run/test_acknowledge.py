"""When an agent says what its kernel holds, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.client.fake import FakeClient
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, Namespace, Node
from moorage.model.errors import ApiError
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.withdrawal import EDGE, NODE, applied_lease_key, applied_version
from moorage.run.acknowledge import SELDOM, SOON, Pace
from moorage.run.acknowledge_io import Acknowledger
from tests.table.objects import READY, TERMINATING, UNREADY, endpoint, node, slice_

TOLD = Pace(held=5, written=5, last=100.0)


def test_an_agent_speaks_at_its_start_and_then_not_without_need() -> None:
    assert Pace().due(7.0) == 7.0
    assert Pace().wrote(0, 7.0).due(8.0) is None
    assert TOLD.due(1000.0) is None
    assert replace(TOLD, renews=True).due(1000.0) == 100.0 + SELDOM


def test_departures_are_told_soon_and_the_rest_seldom() -> None:
    assert replace(TOLD, held=6).due(100.1) == 100.0 + SELDOM
    assert replace(TOLD, held=6, awaited=6).due(100.1) == 100.0 + SOON
    assert replace(TOLD, held=6, awaited=7).due(100.1) == 100.0 + SELDOM, "it is not in the kernel yet"
    assert replace(TOLD, held=8, awaited=5).due(100.1) == 100.0 + SELDOM, "that was told"
    assert replace(TOLD, held=8, awaited=8).failed(100.0).due(100.1) == 100.0 + SELDOM


EVENTS = st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.booleans()), max_size=30)


@given(EVENTS)
def test_writes_are_bounded_and_the_last_version_is_told(events: list[tuple[float, bool, bool]]) -> None:
    """Each event comes after a while, is or is not a departure, and the write that is due may be refused."""
    pace, now, writes = Pace(), 0.0, []
    for number, (pause, departs, refused) in enumerate([*events, (60.0, False, False), (60.0, False, False)], 1):
        end = now + pause
        while (due := pace.due(now)) is not None and due <= end:
            now = max(now, due)
            writes.append(now)
            pace = pace.failed(now) if refused else pace.wrote(pace.held, now)
        now = end
        if number <= len(events):
            pace = replace(pace, held=number, awaited=number if departs else pace.awaited)
    assert pace.written == len(events)
    assert all(later - sooner >= SOON - 1e-9 for sooner, later in pairwise(writes))


class Said:
    """An API, an agent that speaks to it, and what it has heard."""

    def __init__(self, role: str) -> None:
        self.client = FakeClient([Namespace(metadata=ObjectMeta(name=SYSTEM_NAMESPACE))])
        self.key = applied_lease_key(role, "node-1")
        self.acknowledger = Acknowledger(self.client, role, "node-1", lambda: self.node)
        self.node: Node | None = replace(node("node-1"), metadata=ObjectMeta(name="node-1", uid="uid-1"))
        self.snapshot = Snapshot()

    def hear(self, version: int, *objects: Object) -> None:
        keys = frozenset(each.key for each in objects)
        held = {**self.snapshot.all(EndpointSlice), **{each.key: each for each in objects}}
        self.snapshot = self.snapshot.with_objects(EndpointSlice, held, str(version))
        self.acknowledger.see(self.snapshot, Changes({EndpointSlice: keys}))
        self.acknowledger.hold(self.snapshot)

    async def lease(self, version: int, seconds: float = 2.0) -> Lease:
        """The Lease, once it says that version."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    found = await self.client.get(Lease, self.key)
                except ApiError:
                    await asyncio.sleep(0.01)
                    continue
                if applied_version(found) == version:
                    return found
                await asyncio.sleep(0.01)


def told(role: str, story: Callable[[Said], Awaitable[None]]) -> None:
    async def run() -> None:
        said = Said(role)
        speaking = asyncio.create_task(said.acknowledger.run())
        try:
            await story(said)
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])

    asyncio.run(run())


def test_the_lease_of_a_node_goes_with_its_node() -> None:
    async def story(said: Said) -> None:
        made = await said.lease(0)
        assert [(each.kind, each.uid) for each in made.metadata.owner_references] == [("Node", "uid-1")]
        assert made.spec.holder_identity == "node-1"

    told(NODE, story)


def test_what_leaves_is_told_at_once_and_what_comes_is_not() -> None:
    async def story(said: Said) -> None:
        await said.lease(0)
        said.hear(3, slice_(endpoint("10.244.0.1"), endpoint("10.244.0.2"), of="web"))
        await asyncio.sleep(0.3)
        assert applied_version(await said.client.get(Lease, said.key)) == 0
        for version, conditions in ((4, UNREADY), (5, TERMINATING), (6, READY)):
            said.hear(version, slice_(endpoint("10.244.0.1", conditions=conditions), endpoint("10.244.0.2"), of="web"))
            if conditions is not READY:
                await said.lease(version)
        said.hear(7, slice_(endpoint("10.244.0.2"), of="web"))
        await said.lease(7)

    told(NODE, story)


def test_an_edge_that_ends_takes_its_lease_away() -> None:
    async def story(said: Said) -> None:
        await said.lease(0)
        await said.acknowledger.resign()
        leases, _ = await said.client.list(Lease)
        assert leases == []

    told(EDGE, story)


def test_a_slice_elsewhere_is_waited_for_where_somebody_terminates() -> None:
    async def story(said: Said) -> None:
        said.hear(3, slice_(endpoint("10.244.0.1", conditions=TERMINATING), of="web", name="web-1"))
        await said.lease(3)
        said.hear(4, slice_(endpoint("10.244.0.2"), of="web", name="web-2"))
        await said.lease(4)

    told(NODE, story)


def test_keys_are_told_apart() -> None:
    assert applied_lease_key(NODE, "edge-1") == Key("moorage-system", "applied-node-edge-1")
    assert applied_lease_key(EDGE, "1") == Key("moorage-system", "applied-edge-1")
