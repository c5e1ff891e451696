"""Watches through the application: initial state, order, bookmarks, errors, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from moorage.api.app import App, make_app
from moorage.api.auth import TokenAuthenticator
from moorage.model.ports import StoreEvent
from tests.api.asgi import NOW, SERVICES, USERS, Call, ask, new_app, new_registry, service

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


class Watcher:
    """Reads a watch line by line."""

    def __init__(self, app: App, query: str = "", headers: dict[str, str] | None = None, path: str = SERVICES) -> None:
        self.call = Call(app, "GET", f"{path}?watch=true{query}", headers=headers)
        self._lines: list[bytes] = []
        self._pieces = self.call.pieces()

    async def start(self) -> dict[bytes, bytes]:
        head = await self.call.start()
        assert head["status"] == 200
        return dict(head["headers"])

    async def next(self) -> Any:
        while not self._lines:
            self._lines = (await anext(self._pieces)).splitlines()
        return msgspec.json.decode(self._lines.pop(0))

    async def seen(self, count: int) -> list[tuple[str, str]]:
        events = [await self.next() for _ in range(count)]
        return [(each["type"], each["object"]["metadata"]["name"]) for each in events]

    async def end(self) -> list[bytes]:
        rest = [piece async for piece in self._pieces]
        await asyncio.wait_for(self.call.task, 5)
        return rest


def run(story: Callable[[App], Awaitable[None]], history: int = 1000) -> None:
    async def told() -> None:
        await story(await new_app(history))

    asyncio.run(told())


def test_the_state_first_then_every_change() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app)
        assert (await watcher.start())[b"content-type"] == b"application/json"
        assert await watcher.seen(1) == [("ADDED", "kubernetes")]
        await ask(app, "POST", SERVICES, service())
        await ask(
            app,
            "PATCH",
            f"{SERVICES}/web",
            {"metadata": {"labels": {"a": "b"}}},
            {"content-type": "application/merge-patch+json"},
        )
        await ask(app, "DELETE", f"{SERVICES}/web")
        assert await watcher.seen(3) == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_from_a_revision_only_what_came_after() -> None:
    async def story(app: App) -> None:
        first = (await ask(app, "POST", SERVICES, service("a"))).json["metadata"]["resourceVersion"]
        await ask(app, "POST", SERVICES, service("b"))
        watcher = Watcher(app, f"&resourceVersion={first}")
        await watcher.start()
        assert await watcher.seen(1) == [("ADDED", "b")]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_selectors_turn_changes_into_comings_and_goings() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app, "&labelSelector=on%3Dyes")
        await watcher.start()
        await ask(app, "POST", SERVICES, service())
        for value in ("yes", "no"):
            patch = {"metadata": {"labels": {"on": value}}}
            await ask(app, "PATCH", f"{SERVICES}/web", patch, {"content-type": "application/merge-patch+json"})
        assert await watcher.seen(2) == [("ADDED", "web"), ("DELETED", "web")]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_initial_events_end_with_a_bookmark() -> None:
    async def story(app: App) -> None:
        query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=1"
        watcher = Watcher(app, query)
        await watcher.start()
        assert await watcher.seen(1) == [("ADDED", "kubernetes")]
        bookmark = await watcher.next()
        assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Service")
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) > 1
        await ask(app, "POST", SERVICES, service())
        assert await watcher.seen(1) == [("ADDED", "web")]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_without_initial_events_only_what_comes() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app, "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
        await watcher.start()
        await ask(app, "POST", SERVICES, service())
        assert await watcher.seen(1) == [("ADDED", "web")]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_a_revision_that_is_no_longer_kept_is_an_error_event() -> None:
    async def story(app: App) -> None:
        for number in range(20):
            await ask(app, "POST", SERVICES, service(f"s-{number}"))
        watcher = Watcher(app, "&resourceVersion=1")
        await watcher.start()
        event = await watcher.next()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert await watcher.end() == [b""]

    run(story, history=5)


def test_a_future_revision_is_an_error_event() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999")
        await watcher.start()
        assert (await watcher.next())["object"]["reason"] == "Timeout"
        await watcher.end()

    run(story)


def test_stopping_the_server_ends_watches_in_good_order() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app)
        await watcher.start()
        await watcher.seen(1)
        app.stop()
        assert await watcher.end() == [b""]

    run(story)


def test_nothing_is_left_of_a_watch_that_ended() -> None:
    async def story() -> None:
        registry = await new_registry()
        app = make_app(registry, TokenAuthenticator(USERS), lambda: NOW)
        watchers = [Watcher(app), Watcher(app, "&labelSelector=a"), Watcher(app)]
        for watcher in watchers:
            await watcher.start()
        assert len(registry.open) == 3
        watchers[0].call.hang_up()
        watchers[1].call.task.cancel()
        await asyncio.wait({watchers[0].call.task, watchers[1].call.task})
        assert len(registry.open) == 1
        app.stop()
        await watchers[2].end()
        assert not registry.open
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_bookmarks_come_every_minute_and_at_the_end() -> None:
    """apiserver `storage/cacher/cache_watcher.go`: roughly every minute, and before the watch is ended."""

    async def story() -> None:
        quiet = Quiet()
        registry = await new_registry()
        app = make_app(registry, TokenAuthenticator(USERS), lambda: quiet.now)
        registry.watch = lambda *_: quiet  # type: ignore[method-assign]
        watcher = Watcher(app, "&resourceVersion=5&timeoutSeconds=130&allowWatchBookmarks=true")
        await watcher.start()
        bookmarks = [await watcher.next() for _ in range(3)]
        assert {each["type"] for each in bookmarks} == {"BOOKMARK"}
        assert [each["object"]["metadata"]["resourceVersion"] for each in bookmarks] == ["60", "120", "130"]
        assert await watcher.end() == [b""]

    asyncio.run(story())


class Quiet:
    """A subscription to which nothing happens: time passes, and other kinds are written, one revision a second."""

    now = 0.0

    @property
    def revision(self) -> int:
        return int(self.now)

    async def next(self, timeout: float | None = None) -> tuple[StoreEvent, ...]:
        self.now += timeout or 0.0
        return ()

    def close(self) -> None:
        pass


def test_tables_name_their_columns_once() -> None:
    async def story(app: App) -> None:
        watcher = Watcher(app, "", TABLE)
        assert (await watcher.start())[b"content-type"] == b"application/json;as=Table;v=v1;g=meta.k8s.io;stream=watch"
        first = (await watcher.next())["object"]
        await ask(app, "POST", SERVICES, service())
        second = (await watcher.next())["object"]
        assert [each["name"] for each in first["columnDefinitions"]][:2] == ["Name", "Type"]
        assert second["columnDefinitions"] == []
        assert second["rows"][0]["cells"][:2] == ["web", "ClusterIP"]
        watcher.call.hang_up()
        await watcher.end()

    run(story)


def test_unreadable_options_are_refused_before_the_stream() -> None:
    async def story(app: App) -> None:
        for query in ("resourceVersion=abc", "fieldSelector=spec.spoon%3D1", "resourceVersion=1&fieldSelector=spec.spoon%3D1"):
            assert (await ask(app, "GET", f"{SERVICES}?watch=true&{query}")).status == 400
        reply = await ask(app, "GET", f"{SERVICES}?watch=true", headers={"accept": "application/vnd.kubernetes.protobuf"})
        assert reply.status == 406

    run(story)
