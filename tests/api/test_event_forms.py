"""`v1` and `events.k8s.io/v1` Events are two forms of the same objects.

Source: `pkg/apis/events/v1/conversion.go`, `pkg/apis/core/validation/events_test.go`, KEP-383.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from moorage.api.app import App
from moorage.model.cluster import Event
from moorage.model.event_v1 import as_core, from_core
from tests.api.asgi import Call, ask, new_app

OLD = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
STRATEGIC = {"content-type": "application/merge-patch+json"}
EVENT: dict[str, Any] = {
    "metadata": {"name": "it"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "example.com/tester",
    "reportingInstance": "tester-1",
    "action": "Testing",
    "reason": "Tested",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    "note": "all is well",
    "type": "Normal",
}
CORE: dict[str, Any] = {
    "metadata": {"name": "old"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
    "message": "hello",
    "source": {"component": "tester"},
    "count": 3,
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:00:01Z",
    "reason": "Tested",
    "type": "Warning",
}


def run(story: Callable[[App], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(await new_app())

    asyncio.run(told())


def test_written_as_the_one_and_read_as_the_other() -> None:
    async def story(app: App) -> None:
        made = await ask(app, "POST", NEW, EVENT)
        assert (made.status, made.json["apiVersion"], made.json["note"]) == (201, "events.k8s.io/v1", "all is well")
        old = (await ask(app, "GET", f"{OLD}/it")).json
        assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "all is well", "web")
        assert old["reportingComponent"] == "example.com/tester"
        await ask(app, "POST", OLD, CORE)
        new = (await ask(app, "GET", f"{NEW}/old")).json
        deprecated = {name: new[name] for name in new if name.startswith("deprecated")}
        assert deprecated == {
            "deprecatedSource": {"component": "tester"},
            "deprecatedCount": 3,
            "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
            "deprecatedLastTimestamp": "2026-01-01T00:00:01Z",
        }
        listed = (await ask(app, "GET", NEW)).json
        assert (listed["kind"], listed["apiVersion"]) == ("EventList", "events.k8s.io/v1")
        assert [each["metadata"]["name"] for each in listed["items"]] == ["it", "old"]

    run(story)


def test_changed_and_deleted_through_either() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", NEW, EVENT)
        patched = await ask(app, "PATCH", f"{NEW}/it", {"note": "better"}, STRATEGIC)
        assert (patched.status, patched.json["note"]) == (200, "better")
        assert (await ask(app, "GET", f"{OLD}/it")).json["message"] == "better"
        replaced = await ask(app, "PUT", f"{NEW}/it", {**EVENT, "series": {"count": 2, "lastObservedTime": EVENT["eventTime"]}})
        assert replaced.json["series"]["count"] == 2
        assert (await ask(app, "DELETE", f"{NEW}/it")).status == 200
        missing = await ask(app, "GET", f"{NEW}/it")
        assert (missing.status, missing.json["message"]) == (404, 'events.events.k8s.io "it" not found')
        assert missing.json["details"] == {"name": "it", "group": "events.k8s.io", "kind": "events"}

    run(story)


def test_watched_in_the_form_that_was_asked_for() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", OLD, CORE)
        call = Call(app, "GET", f"{NEW}?watch=true")
        await call.start()
        async for piece in call.pieces():
            event = msgspec.json.decode(piece.splitlines()[0])
            break
        assert (event["type"], event["object"]["apiVersion"], event["object"]["note"]) == ("ADDED", "events.k8s.io/v1", "hello")
        call.hang_up()
        await call.task

    run(story)


def test_field_selectors_have_the_names_of_the_form() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", NEW, EVENT)
        await ask(app, "POST", OLD, CORE)
        for selector, names in (
            ("regarding.name=web", ["it", "old"]),
            ("reportingController=example.com/tester", ["it"]),
            ("type=Warning", ["old"]),
            ("regarding.kind=Node", []),
        ):
            items = (await ask(app, "GET", f"{NEW}?fieldSelector={selector}")).json["items"]
            assert [each["metadata"]["name"] for each in items] == names

    run(story)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"type": "Odd"}, "type"),
        ({"deprecatedCount": 1}, "deprecatedCount"),
        ({"deprecatedSource": {"component": "x"}}, "deprecatedSource"),
        ({"deprecatedFirstTimestamp": "2026-01-01T00:00:00Z"}, "deprecatedFirstTimestamp"),
        ({"series": {"count": 1, "lastObservedTime": EVENT["eventTime"]}}, "series.count"),
        ({"series": {"count": 2}}, "series.lastObservedTime"),
        ({"reportingController": None}, "reportingComponent"),
        ({"reportingInstance": "x" * 129}, "reportingInstance"),
        ({"action": None}, "action"),
        ({"reason": None}, "reason"),
        ({"note": "x" * 1025}, "message"),
    ],
)
def test_what_the_newer_form_asks_for(change: dict[str, Any], field: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "POST", NEW, {**EVENT, **change})
        assert reply.status == 422
        assert reply.json["message"].startswith('Event.events.k8s.io "it" is invalid')
        assert field in [each["field"] for each in reply.json["details"]["causes"]]

    run(story)


def test_unknown_fields_are_those_of_the_form() -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "POST", f"{NEW}?fieldValidation=Strict", {**EVENT, "message": "x"})
        assert reply.status == 400
        assert 'unknown field "message"' in reply.json["message"]

    run(story)


def test_there_and_back_nothing_is_lost() -> None:
    event = msgspec.convert({**CORE, "apiVersion": "v1", "kind": "Event", "related": {"kind": "Node", "name": "n"}}, Event)
    assert as_core(from_core(event)) == event
