from __future__ import annotations

import asyncio

import pytest

from moorage.client.fake import Call, FakeClient
from moorage.client.notes import Notes
from moorage.client.perform_io import MAX_AT_ONCE, Failure, perform
from moorage.model.cluster import Event, EventSource, Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object, ObjectMeta, ObjectReference
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.slices import EndpointSlice
from moorage.model.verbs import Bind, Create, Delete, MergePatch, Note, Update, Verb


def pod(name: str, version: str = "") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="default", resource_version=version))


def slice_(name: str) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, namespace="default"), address_type="IPv4")


def key(name: str) -> Key:
    return Key("default", name)


def performed(client: FakeClient, *verbs: Verb, now: float = 0.0, notes: Notes | None = None) -> tuple[Failure, ...]:
    return asyncio.run(perform(client, verbs, "moorage-test", lambda: now, notes))


def labelled(name: str, **labels: str) -> MergePatch:
    return MergePatch(EndpointSlice, key(name), {"metadata": {"labels": labels}})


def test_every_verb() -> None:
    client = FakeClient([pod("web"), pod("old"), slice_("b")])
    status = {"status": {"phase": "Running"}}
    assert (
        performed(
            client,
            Create(slice_("a")),
            Update(EndpointSlice(metadata=ObjectMeta(name="b", namespace="default", labels={"x": "y"}), address_type="IPv4")),
            MergePatch(Pod, key("web"), status, "status"),
            Bind(key("web"), "", "node-1"),
            Delete(Pod, key("old")),
        )
        == ()
    )
    assert {each.name for each in client.all(EndpointSlice)} == {"a", "b"}
    assert client.all(EndpointSlice)[key("b")].metadata.labels == {"x": "y"}
    assert client.all(Pod)[key("web")].spec.node_name == "node-1"
    assert client.all(Pod)[key("web")].status.phase == "Running"
    assert key("old") not in client.all(Pod)


def test_the_order_is_kept_for_each_object() -> None:
    client = FakeClient()
    verbs: list[Verb] = []
    for name in ("a", "b"):
        verbs += [Create(slice_(name)), labelled(name, step="1"), labelled(name, step="2"), Delete(EndpointSlice, key(name))]
    assert performed(client, *verbs, Create(slice_("a"))) == ()
    assert [each.verb for each in client.calls if each.key == key("a")] == [
        "create",
        "merge_patch",
        "merge_patch",
        "delete",
        "create",
    ]


class CountingClient(FakeClient):
    """Knows how many creations were in flight at once."""

    now = most = 0

    async def create(self, obj: Object) -> Object:  # type: ignore[override]
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return await super().create(obj)


def test_different_objects_go_at_the_same_time_but_not_all_at_once() -> None:
    client = CountingClient()
    assert performed(client, *(Create(slice_(f"s-{number}")) for number in range(30))) == ()
    assert len(client.all(EndpointSlice)) == 30
    assert client.most == MAX_AT_ONCE


def test_objects_whose_name_the_server_makes_are_different_objects() -> None:
    wanted = EndpointSlice(metadata=ObjectMeta(generate_name="web-", namespace="default"), address_type="IPv4")
    client = FakeClient()
    assert performed(client, Create(wanted), Create(wanted)) == ()
    assert len(client.all(EndpointSlice)) == 2


def test_refusals_are_values_and_stop_nothing_else() -> None:
    client = FakeClient([slice_("a"), slice_("b")])
    again, stale, absent = Create(slice_("a")), Update(slice_old("b")), Delete(Pod, key("nobody"))
    failures = performed(client, again, stale, absent, Create(slice_("c")))
    assert [(each.verb, each.code, each.reason, each.retry) for each in failures] == [
        (again, 409, "AlreadyExists", False),
        (stale, 409, "Conflict", False),
        (absent, 404, "NotFound", False),
    ]
    assert failures[2].message == 'pods "nobody" not found'
    assert key("c") in client.all(EndpointSlice)


def slice_old(name: str) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, namespace="default", resource_version="1000"), address_type="IPv4")


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (HostError("connection refused"), True),
        (ApiError(429, "TooManyRequests", "later"), True),
        (ApiError(500, "InternalError", "oh"), True),
        (ApiError(422, "Invalid", "bad"), False),
        (ApiError(403, "Forbidden", "no"), False),
    ],
)
def test_what_may_help_later_is_tried_again(error: ApiError | HostError, retry: bool) -> None:
    client = FakeClient()
    client.fail("create", error)
    (failure,) = performed(client, Create(slice_("a")))
    assert failure.retry is retry
    assert failure.message == str(error)


def test_a_note_becomes_an_event() -> None:
    about = FakeClient().put(pod("web"))
    client = FakeClient()
    assert performed(client, Note(about, Reason.FAILED_SCHEDULING, "no node", warning=True), now=60.0) == ()
    (event,) = client.all(Event).values()
    assert event.metadata.namespace == "default"
    assert event.metadata.name.startswith("web.")
    assert event.involved_object == ObjectReference(
        api_version="v1", kind="Pod", namespace="default", name="web", uid=about.metadata.uid, resource_version="1"
    )
    assert (event.type, event.reason, event.message, event.count) == ("Warning", "FailedScheduling", "no node", 1)
    assert (event.first_timestamp, event.last_timestamp) == ("1970-01-01T00:01:00Z", "1970-01-01T00:01:00Z")
    assert (event.source, event.reporting_component) == (EventSource(component="moorage-test"), "moorage-test")


@pytest.mark.parametrize("remember", [True, False])
def test_a_repeated_note_is_counted(remember: bool) -> None:
    client, notes = FakeClient(), Notes() if remember else None
    note = Note(pod("web"), Reason.SCHEDULED, "on node-1")
    for now in (0.0, 60.0, 120.0):
        assert performed(client, note, now=now, notes=notes) == ()
    assert performed(client, Note(pod("web"), Reason.SCHEDULED, "on node-2"), notes=notes) == ()
    counted, other = sorted(client.all(Event).values(), key=lambda each: each.message)
    assert (counted.type, counted.count) == ("Normal", 3)
    assert (counted.first_timestamp, counted.last_timestamp) == ("1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z")
    assert other.count == 1
    assert len([each for each in client.calls if each.verb == "get"]) == (0 if remember else 2)


def test_an_event_that_the_server_forgot_begins_anew() -> None:
    client, notes = FakeClient(), Notes()
    note = Note(pod("web"), Reason.SCHEDULED, "on node-1")
    performed(client, note, note, notes=notes)
    (event,) = client.all(Event)
    client.remove(Event, event)
    assert performed(client, note, notes=notes) == ()
    assert client.all(Event)[event].count == 1


def test_an_event_about_a_cluster_scoped_object_lives_in_default() -> None:
    client = FakeClient()
    performed(client, Note(Node(metadata=ObjectMeta(name="n" * 253)), Reason.NODE_READY, "ready"))
    (event,) = client.all(Event)
    assert event.namespace == "default"
    assert len(event.name) == 253


def test_a_note_of_what_did_not_happen_is_left_out() -> None:
    client = FakeClient([pod("web")])
    client.fail("bind", HostError("cut off"))
    verbs = (Bind(key("web"), "", "node-1"), Note(pod("web"), Reason.SCHEDULED, "on node-1"))
    failures = performed(client, *verbs, Note(pod("other"), Reason.SCHEDULED, "on node-1"))
    assert [each.verb for each in failures] == [verbs[0]]
    assert [each.involved_object.name for each in client.all(Event).values()] == ["other"]


def test_a_failing_event_fails_nothing_else_and_is_not_retried() -> None:
    client = FakeClient([slice_("a")])
    client.fail("create", HostError("cut off"), Event)
    note = Note(slice_("a"), Reason.ENDPOINTS_UPDATED, "updated")
    (failure,) = performed(client, note, labelled("a", x="y"))
    assert failure.verb == note
    assert not failure.retry
    assert Call("merge_patch", EndpointSlice, key("a")) in client.calls


def test_memory_is_bounded() -> None:
    notes = Notes(size=2)
    for name in "abc":
        notes.said(key(name), 1)
    notes.said(key("b"), 2)
    assert [notes.count(key(name)) for name in "abc"] == [0, 2, 1]
