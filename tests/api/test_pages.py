"""Lists in pages, and at a version: what is shown while others write. Source: API concepts, "Resource versions"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moorage.api.app import App
from tests.api.asgi import SERVICES, Reply, ask, new_app, service

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def run(story: Callable[[App], Awaitable[None]], history: int = 1000) -> None:
    async def told() -> None:
        app = await new_app(history)
        for name in "abcde":
            await create(app, name)
        await story(app)

    asyncio.run(told())


async def create(app: App, name: str) -> None:
    made = service(name)
    assert (await ask(app, "POST", SERVICES, {**made, "metadata": {"name": name, "labels": {"l": name}}})).status == 201


async def listed(app: App, query: str) -> Any:
    reply = await ask(app, "GET", f"{SERVICES}?{query}")
    assert reply.status == 200, reply.body
    return reply.json


def names(page: Any) -> str:
    return "".join(each["metadata"]["name"][0] for each in page["items"])


def test_all_pages_show_the_state_of_the_first() -> None:
    async def story(app: App) -> None:
        first = await listed(app, "limit=2")
        assert (names(first), first["metadata"]["remainingItemCount"]) == ("ab", 4)
        await ask(app, "DELETE", f"{SERVICES}/d")
        await create(app, "bb")
        second = await listed(app, f"limit=2&continue={first['metadata']['continue']}")
        assert (names(second), second["metadata"]["remainingItemCount"]) == ("cd", 2)
        third = await listed(app, f"limit=2&continue={second['metadata']['continue']}")
        assert (names(third), set(third["metadata"])) == ("ek", {"resourceVersion"})
        versions = {each["metadata"]["resourceVersion"] for each in (first, second, third)}
        assert len(versions) == 1
        assert names(await listed(app, "limit=6")) == "abbcek"

    run(story)


def test_a_selection_is_not_counted_ahead() -> None:
    """meta/v1 ListMeta: `remainingItemCount` is unset where selectors are used."""

    async def story(app: App) -> None:
        first = await listed(app, "limit=1&labelSelector=l%20in%20(b,d)")
        assert (names(first), set(first["metadata"])) == ("b", {"resourceVersion", "continue"})
        last = await listed(app, f"limit=1&labelSelector=l%20in%20(b,d)&continue={first['metadata']['continue']}")
        assert (names(last), set(last["metadata"])) == ("d", {"resourceVersion"})

    run(story)


def test_tables_have_pages_too() -> None:
    async def story(app: App) -> None:
        table = (await ask(app, "GET", f"{SERVICES}?limit=2", headers=TABLE)).json
        assert len(table["rows"]) == 2
        assert table["metadata"]["remainingItemCount"] == 4

    run(story)


def test_a_list_that_was_left_too_long_goes_on_with_the_newest_state() -> None:
    """apiserver storage/etcd3/errors.go: handleCompactedErrorForPaging."""

    async def story(app: App) -> None:
        first = await listed(app, "limit=2")
        for name in "fghij":
            await create(app, name)
        reply = await ask(app, "GET", f"{SERVICES}?limit=20&continue={first['metadata']['continue']}")
        assert (reply.status, reply.json["reason"]) == (410, "Expired")
        assert reply.json["message"].startswith(
            "The provided continue parameter is too old to display a consistent list result."
        )
        rest = await listed(app, f"limit=20&continue={reply.json['metadata']['continue']}")
        assert names(rest) == "cdefghijk"

    run(story, history=4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # API concepts, "Semantics for get and list": version and match -> the state that is shown; x is the sixth write
        ("", "abcdekx"),
        ("resourceVersion=0", "abcdekx"),
        ("resourceVersion={old}", "abcdekx"),
        ("resourceVersion={old}&resourceVersionMatch=NotOlderThan", "abcdekx"),
        ("resourceVersion={old}&resourceVersionMatch=Exact", "abcdek"),
        ("resourceVersion={old}&limit=20", "abcdek"),
        ("resourceVersion=0&limit=2", "abcdekx"),
        ("resourceVersion={old}&resourceVersionMatch=NotOlderThan&limit=20", "abcdekx"),
    ],
)
def test_versions(query: str, expected: str) -> None:
    async def story(app: App) -> None:
        old = (await listed(app, ""))["metadata"]["resourceVersion"]
        await create(app, "x")
        page = await listed(app, query.format(old=old))
        assert names(page) == expected
        assert (page["metadata"]["resourceVersion"] == old) is ("x" not in expected)

    run(story)


@pytest.mark.parametrize("query", ["", "&resourceVersionMatch=Exact", "&resourceVersionMatch=NotOlderThan", "&limit=1"])
@pytest.mark.parametrize("path", [SERVICES, f"{SERVICES}/a"])
def test_a_version_that_is_yet_to_come(path: str, query: str) -> None:
    """apiserver storage/errors.go: NewTooLargeResourceVersionError."""

    async def story(app: App) -> None:
        reply: Reply = await ask(app, "GET", f"{path}?resourceVersion=999{query}")
        assert (reply.status, reply.json["reason"], reply.header(b"retry-after")) == (504, "Timeout", b"1")
        assert reply.json["message"].startswith("Timeout: Too large resource version: 999, current: ")
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        assert reply.json["details"] == {"causes": causes, "retryAfterSeconds": 1}

    run(story)


def test_a_version_that_is_no_longer_kept() -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "GET", f"{SERVICES}?resourceVersion=2&resourceVersionMatch=Exact")
        assert (reply.status, reply.json["reason"]) == (410, "Expired")
        assert reply.json["message"] == "The resourceVersion for the provided list is too old."
        assert (await ask(app, "GET", f"{SERVICES}?resourceVersion=2")).status == 200

    run(story, history=3)


def test_deleting_a_collection_in_parts() -> None:
    """apiserver registry/generic/registry/store.go: DeleteCollection ends after one page where a limit is given."""

    async def story(app: App) -> None:
        tried = (await ask(app, "DELETE", f"{SERVICES}?dryRun=All&labelSelector=l")).json
        assert (names(tried), names(await listed(app, ""))) == ("abcde", "abcdek")
        deleted = (await ask(app, "DELETE", f"{SERVICES}?limit=2&labelSelector=l")).json
        assert (names(deleted), names(await listed(app, ""))) == ("ab", "cdek")
        assert "continue" in deleted["metadata"]

    run(story)
