from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from moorage.client.fake import FakeClient
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Contact, Mirror, Want
from moorage.client.reflect import ABSENT_SECONDS
from moorage.model.cluster import Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes
from tests.client.embedded import embedded_server

ABSENT = ApiError(404, "NotFound", "the server could not find the requested resource")


def service(name: str, **labels: str) -> Service:
    return Service(metadata=ObjectMeta(name=name, namespace="default", labels=labels))


def node(name: str) -> Node:
    return Node(metadata=ObjectMeta(name=name))


def key(name: str) -> Key:
    return Key("default", name)


async def until(holds: Callable[[], bool]) -> None:
    """Lets the other tasks run until a condition holds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")


class Pauses:
    """Instead of sleeping: notes how long it would have been, and lets the other tasks run."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


def mirrored(
    client: FakeClient, story: Callable[[Mirror], Awaitable[None]], *wants: Want, pauses: Pauses | None = None
) -> None:
    """Plays a story with a mirror that runs meanwhile; its clock is stopped at 7."""

    async def play() -> None:
        chosen = wants or (Want(Service), Want(Node))
        mirror = Mirror(client, chosen, clock=lambda: 7.0, chance=lambda: 0.5, sleep=pauses or Pauses())
        async with asyncio.timeout(10):
            running = asyncio.create_task(mirror.run())
            try:
                await story(mirror)
            finally:
                running.cancel()
                await asyncio.wait([running])

    asyncio.run(play())


def test_the_first_answer_holds_everything() -> None:
    async def story(mirror: Mirror) -> None:
        assert not mirror.synced
        assert mirror.contact == Contact(None, "")
        snapshot, changes = await mirror.next()
        assert mirror.synced
        assert mirror.contact == Contact(7.0, "")
        assert changes.everything
        assert changes.of(Service) == {key("web")}
        assert set(snapshot.all(Node)) == {Key("", "node-1")}
        assert snapshot.all(EndpointSlice) == {}

    mirrored(FakeClient([service("web"), node("node-1")]), story)


def test_an_empty_cluster_is_answered_too() -> None:
    async def story(mirror: Mirror) -> None:
        _, changes = await mirror.next()
        assert changes.everything
        assert not changes.keys

    mirrored(FakeClient(), story)


def test_a_burst_is_told_at_once_and_once() -> None:
    client = FakeClient([service("web"), service("old")])

    async def story(mirror: Mirror) -> None:
        first, _ = await mirror.next()
        waiting = asyncio.create_task(mirror.next())
        await until(lambda: len([each for each in client.calls if each.verb == "watch"]) == 2)
        for number in range(100):
            client.put(service(f"web-{number}"))
        client.remove(Service, key("old"))
        client.put(node("node-1"))
        told = 0
        seen: set[Key] = set()
        while told < 102:
            snapshot, changes = await waiting
            assert not changes.everything
            assert not seen & changes.of(Service)
            seen |= changes.of(Service)
            told += sum(len(each) for each in changes.keys.values())
            waiting = asyncio.create_task(mirror.next())
        assert set(first.all(Service)) == {key("web"), key("old")}
        assert len(snapshot.all(Service)) == 101
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    mirrored(client, story)


def test_an_unchanged_type_is_shared_between_snapshots() -> None:
    client = FakeClient([service("web")])

    async def story(mirror: Mirror) -> None:
        before, _ = await mirror.next()
        client.put(node("node-1"))
        after, changes = await mirror.next()
        assert set(changes.keys) == {Node}
        assert after.all(Service) is before.all(Service)

    mirrored(client, story)


def test_the_snapshot_is_always_the_newest_and_takes_nothing_from_the_reader() -> None:
    client = FakeClient()

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        client.put(service("web"))
        await until(lambda: mirror.snapshot.get(Service, key("web")) is not None)
        _, changes = await mirror.next()
        assert changes.of(Service) == {key("web")}

    mirrored(client, story)


def test_a_cancelled_reader_loses_nothing() -> None:
    client = FakeClient()

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mirror.next(), 0)
        client.put(service("web"))
        _, changes = await mirror.next()
        assert changes.of(Service) == {key("web")}

    mirrored(client, story)


def test_a_forgotten_history_is_listed_again_and_only_differences_are_told() -> None:
    client = FakeClient([service("same"), service("gone"), service("changed")])

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        client.end_watches(HostError("cut off"))
        client.remove(Service, key("gone"))
        client.put(service("changed", a="b"))
        client.put(service("new"))
        client.expire()
        snapshot, changes = await mirror.next()
        assert not changes.everything
        assert changes.of(Service) == {key("gone"), key("changed"), key("new")}
        assert set(snapshot.all(Service)) == {key("same"), key("changed"), key("new")}

    mirrored(client, story)


def test_a_server_that_has_forgotten_is_at_no_fault() -> None:
    """Each change of a CustomResourceDefinition has a kube-apiserver end the watches of its kind so."""
    client = FakeClient([service("web")])

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        client.end_watches(ApiError(410, "Expired", "too old resource version: 1 (2)"))
        client.put(service("new"))
        client.expire()
        _, changes = await mirror.next()
        assert changes.of(Service) == {key("new")}

    with structlog.testing.capture_logs() as logs:
        mirrored(client, story)
    assert logs == []


def test_an_outage_is_survived_and_seen_in_the_contact() -> None:
    client, pauses = FakeClient([service("web")]), Pauses()
    client.fail("list", HostError("connection refused"), Service, times=3)

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        assert pauses.taken == [0.4, 1.6, 3.2]
        assert mirror.contact == Contact(7.0, "")
        client.fail("watch", HostError("no route to host"), Node, times=2)
        client.end_watches()
        await until(lambda: "no route to host" in mirror.contact.failure)
        client.put(node("node-1"))
        _, changes = await mirror.next()
        assert changes.of(Node) == {Key("", "node-1")}
        assert mirror.contact.failure == ""

    mirrored(client, story, pauses=pauses)


def test_a_selection_is_followed_as_a_selection() -> None:
    client = FakeClient([service("web", app="web"), service("db", app="db")])

    async def story(mirror: Mirror) -> None:
        snapshot, _ = await mirror.next()
        assert set(snapshot.all(Service)) == {key("web")}
        client.put(service("db", app="web"))
        client.put(service("web", app="db"))
        while True:
            snapshot, _ = await mirror.next()
            if set(snapshot.all(Service)) == {key("db")}:
                break

    mirrored(client, story, Want(Service, "default", labels="app=web"))


def test_a_restart_of_the_server_is_survived(tmp_path: Path) -> None:
    """Over HTTP: nothing is lost, nothing is told twice, and what did not change is not told at all."""

    async def play() -> None:
        async with asyncio.timeout(20), AsyncExitStack() as last:
            async with AsyncExitStack() as first:
                access = load(await first.enter_async_context(embedded_server(tmp_path)))
                client = await last.enter_async_context(HttpClient(access))
                await client.create(slice_("before"))
                mirror = Mirror(client, [Want(EndpointSlice, "default")])
                running = asyncio.create_task(mirror.run())
                last.callback(running.cancel)
                snapshot, _ = await mirror.next()
                assert key("before") in snapshot.all(EndpointSlice)
            while not mirror.contact.failure:
                await asyncio.wait([running], timeout=0.01)
            await last.enter_async_context(embedded_server(tmp_path, access.server.removeprefix("https://")))
            await client.create(slice_("after"))
            snapshot, changes = await mirror.next()
            assert changes == Changes({EndpointSlice: frozenset({key("after")})})
            assert {key("before"), key("after")} <= set(snapshot.all(EndpointSlice))
            assert mirror.contact.failure == ""

    asyncio.run(play())


def slice_(name: str) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, namespace="default"), address_type="IPv4")


def unlabelled(obj: Object) -> Object:
    return replace(obj, metadata=replace(obj.metadata, labels={}))


def test_of_each_object_is_kept_what_is_wanted_of_it() -> None:
    client = FakeClient([service("a", app="x"), service("b", app="x"), service("c", app="x")], page_size=2)

    async def story(mirror: Mirror) -> None:
        snapshot, _ = await mirror.next()
        client.put(service("d", app="x"))
        while key("d") not in snapshot.all(Service):
            snapshot, _ = await mirror.next()
        assert set(snapshot.all(Service)) == {key("a"), key("b"), key("c"), key("d")}
        assert {len(each.metadata.labels) for each in snapshot.all(Service).values()} == {0}

    mirrored(client, story, Want(Service, keep=unlabelled))


def test_an_optional_kind_may_be_missing_and_come_later() -> None:
    client, pauses = FakeClient([service("web"), node("node-1")], page_size=1), Pauses()
    client.fail("list", ABSENT, Node, times=2)

    async def story(mirror: Mirror) -> None:
        snapshot, changes = await mirror.next()
        assert (changes.everything, dict(snapshot.all(Node))) == (True, {})
        assert mirror.contact == Contact(7.0, "")
        snapshot, changes = await mirror.next()
        assert changes == Changes({Node: frozenset({Key("", "node-1")})})
        assert pauses.taken == [ABSENT_SECONDS] * 2
        client.put(node("node-2"))
        _, changes = await mirror.next()
        assert changes.of(Node) == {Key("", "node-2")}

    mirrored(client, story, Want(Service), Want(Node, optional=True), pauses=pauses)


def test_an_optional_kind_may_go_away() -> None:
    client = FakeClient([node("node-1")])

    async def story(mirror: Mirror) -> None:
        await mirror.next()
        client.fail("watch", ABSENT, Node)
        client.fail("list", ABSENT, Node)
        client.end_watches()
        snapshot, changes = await mirror.next()
        assert changes.of(Node) == {Key("", "node-1")}
        assert snapshot.all(Node) == {}

    mirrored(client, story, Want(Node, optional=True))


def test_other_refusals_of_an_optional_kind_are_failures() -> None:
    client, pauses = FakeClient([node("node-1")]), Pauses()
    client.fail("list", ApiError(403, "Forbidden", "no"), Node)

    async def story(mirror: Mirror) -> None:
        snapshot, _ = await mirror.next()
        assert len(snapshot.all(Node)) == 1
        assert pauses.taken == [0.4]

    mirrored(client, story, Want(Node, optional=True), pauses=pauses)


def test_a_kind_that_is_not_optional_is_waited_for() -> None:
    client, pauses = FakeClient([node("node-1")]), Pauses()
    client.fail("list", ABSENT, Node, times=3)

    async def story(mirror: Mirror) -> None:
        snapshot, _ = await mirror.next()
        assert len(snapshot.all(Node)) == 1
        assert pauses.taken == [0.4, 1.6, 3.2]

    mirrored(client, story, Want(Node), pauses=pauses)


def test_a_kind_is_wanted_once() -> None:
    with pytest.raises(ValueError, match="Service is wanted twice"):
        Mirror(FakeClient(), [Want(Service), Want(Service, "default")])
