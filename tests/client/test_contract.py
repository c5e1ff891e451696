"""What every `model.ports.Client` promises, checked on the fake and on HTTP against the embedded server, also behind HAProxy,
which offers HTTP/2.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from moorage.client.fake import FakeClient
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.cluster import Node
from moorage.model.errors import ApiError
from moorage.model.meta import Condition, Key, ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec, PodStatus
from moorage.model.ports import ADDED, BOOKMARK, DELETED, MODIFIED, Client, WatchEvent
from moorage.model.slices import EndpointSlice
from tests.client.embedded import admin_token, embedded_server
from tests.client.terminated import access_to, listen, terminator

NAMESPACE = "default"

PAGE = 2
"""Objects in a page, so that lists come in several."""

Open = Callable[[], AbstractAsyncContextManager[Client]]
Check = Callable[[Client], Awaitable[None]]


@asynccontextmanager
async def fake() -> AsyncIterator[Client]:
    yield FakeClient(page_size=PAGE)


@asynccontextmanager
async def embedded() -> AsyncIterator[Client]:
    with tempfile.TemporaryDirectory() as directory:
        async with embedded_server(Path(directory)) as kubeconfig, HttpClient(load(kubeconfig), page_size=PAGE) as client:
            yield client


@asynccontextmanager
async def behind_haproxy() -> AsyncIterator[Client]:
    with tempfile.TemporaryDirectory() as name, listen() as listening:
        directory = Path(name)
        async with (
            embedded_server(directory) as kubeconfig,
            terminator(directory, listening, load(kubeconfig).server),
            HttpClient(access_to(directory, listening, admin_token(directory)), page_size=PAGE) as client,
        ):
            yield client


@pytest.fixture(
    params=[
        pytest.param(fake, id="fake"),
        pytest.param(embedded, id="embedded"),
        pytest.param(behind_haproxy, id="haproxy"),
    ]
)
def run(request: pytest.FixtureRequest) -> Callable[[Check], None]:
    """Runs one check on a fresh server."""
    opened: Open = request.param

    async def checked(check: Check) -> None:
        async with opened() as client, asyncio.timeout(20):
            await check(client)

    return lambda check: asyncio.run(checked(check))


def pod(name: str, node: str = "", **labels: str) -> Pod:
    spec = PodSpec(containers=(Container(name="main", image="moorage/echo"),), node_name=node)
    return Pod(metadata=ObjectMeta(name=name, namespace=NAMESPACE, labels=labels), spec=spec)


def endpoint_slice(name: str, **labels: str) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, namespace=NAMESPACE, labels=labels), address_type="IPv4")


def key(name: str) -> Key:
    return Key(NAMESPACE, name)


async def refused(request: Awaitable[object]) -> tuple[int, str]:
    """The code and reason of the refusal that the request must meet."""
    with pytest.raises(ApiError) as caught:
        await request
    return caught.value.code, caught.value.reason


async def seen(stream: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str]]:
    """The next `count` events of a watch as (type, name), bookmarks left out."""
    events: list[tuple[str, str]] = []
    while len(events) < count:
        event = await anext(stream)
        if event.type != BOOKMARK:
            events.append((event.type, event.obj.metadata.name))
    return events


def test_a_created_object_is_complete_and_can_be_read_back(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        made = await client.create(endpoint_slice("web-1", app="web"))
        assert (made.api_version, made.kind, made.key) == ("discovery.k8s.io/v1", "EndpointSlice", key("web-1"))
        assert made.metadata.uid
        assert made.metadata.creation_timestamp
        assert int(made.metadata.resource_version) > 0
        assert await client.get(EndpointSlice, key("web-1")) == made
        assert await refused(client.create(endpoint_slice("web-1"))) == (409, "AlreadyExists")

    run(check)


def test_generate_name_completes_the_name(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        wanted = EndpointSlice(metadata=ObjectMeta(generate_name="web-", namespace=NAMESPACE), address_type="IPv4")
        names = {(await client.create(wanted)).metadata.name for _ in range(3)}
        assert len(names) == 3
        assert all(each.startswith("web-") and len(each) == len("web-") + 5 for each in names)

    run(check)


def test_what_is_absent_is_not_found(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        assert await refused(client.get(Pod, key("nobody"))) == (404, "NotFound")
        assert await refused(client.delete(Pod, key("nobody"))) == (404, "NotFound")
        assert await refused(client.merge_patch(Pod, key("nobody"), {"metadata": {"labels": {"a": "b"}}})) == (404, "NotFound")
        with pytest.raises(ApiError, match='pods "nobody" not found'):
            await client.get(Pod, key("nobody"))

    run(check)


def test_a_list_is_sorted_selected_and_versioned(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        for name, app in (("b", "web"), ("a", "web"), ("c", "db")):
            last = await client.create(pod(name, node="node-1" if name == "b" else "", app=app))
        pods, version = await client.list(Pod)
        assert [each.metadata.name for each in pods] == ["a", "b", "c"]
        assert {each.kind for each in pods} == {"Pod"}
        assert int(version) >= int(last.metadata.resource_version)
        assert [each.metadata.name for each in (await client.list(Pod, labels="app=web"))[0]] == ["a", "b"]
        assert [each.metadata.name for each in (await client.list(Pod, fields="spec.nodeName=node-1"))[0]] == ["b"]
        assert [each.metadata.name for each in (await client.list(Pod, NAMESPACE, fields="metadata.name=c"))[0]] == ["c"]
        assert (await client.list(Pod, "elsewhere"))[0] in ([], ())

    run(check)


def test_the_pages_of_a_list_show_one_state(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        for name in "badce":
            last = await client.create(endpoint_slice(name, app="web"))
        await client.create(endpoint_slice("other"))
        read, versions = [], set()
        async for page in client.pages(EndpointSlice, NAMESPACE, labels="app=web"):
            read.append((page.first, [each.metadata.name for each in page.objects]))
            versions.add(page.version)
            if page.first:
                await client.create(endpoint_slice("b-2", app="web"))
                await client.delete(EndpointSlice, key("d"))
        assert read == [(True, ["a", "b"]), (False, ["c", "d"]), (False, ["e"])]
        (version,) = versions
        assert int(version) >= int(last.metadata.resource_version)
        assert await seen(client.watch(EndpointSlice, version), 2) == [(ADDED, "b-2"), (DELETED, "d")]
        now, _ = await client.list(EndpointSlice, labels="app=web")
        assert [each.metadata.name for each in now] == ["a", "b", "b-2", "c", "e"]

    run(check)


def test_an_empty_list_is_one_empty_page(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        assert [(page.first, list(page.objects)) async for page in client.pages(Pod)] == [(True, [])]

    run(check)


def test_pages_that_nobody_wants_any_more_are_given_up(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        for name in "abc":
            await client.create(endpoint_slice(name))
        pages = client.pages(EndpointSlice, NAMESPACE)
        assert [each.metadata.name for each in (await anext(pages)).objects] == ["a", "b"]
        await pages.aclose()
        assert len((await client.list(EndpointSlice, NAMESPACE))[0]) >= 3

    run(check)


def test_an_update_of_an_old_version_conflicts_and_changes_nothing(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        first = await client.create(endpoint_slice("web"))
        relabelled = ObjectMeta(
            name="web", namespace=NAMESPACE, resource_version=first.metadata.resource_version, labels={"a": "1"}
        )
        second = await client.update(EndpointSlice(metadata=relabelled, address_type="IPv4"))
        assert second.metadata.labels == {"a": "1"}
        assert second.metadata.resource_version != first.metadata.resource_version
        assert await refused(client.update(EndpointSlice(metadata=relabelled, address_type="IPv4"))) == (409, "Conflict")
        assert await client.get(EndpointSlice, key("web")) == second

    run(check)


def test_the_status_has_a_door_of_its_own(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        await client.create(Node(metadata=ObjectMeta(name="node-1")))
        node = Key("", "node-1")
        by_status = {"metadata": {"labels": {"lost": "x"}}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        patched = await client.merge_patch(Node, node, {"status": by_status["status"]}, "status")
        assert [(each.type, each.status) for each in patched.status.conditions] == [("Ready", "True")]
        ignored = await client.merge_patch(Node, node, {"spec": {"podCIDR": "10.244.1.0/24"}, "status": {"conditions": None}})
        assert ignored.spec.pod_cidr == "10.244.1.0/24"
        assert ignored.status == patched.status

    run(check)


def test_a_merge_patch_sets_and_removes(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        await client.create(endpoint_slice("web", keep="1", drop="2"))
        patched = await client.merge_patch(EndpointSlice, key("web"), {"metadata": {"labels": {"drop": None, "new": "3"}}})
        assert patched.metadata.labels == {"keep": "1", "new": "3"}

    run(check)


def test_a_write_that_changes_nothing_makes_no_version(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        made = await client.create(endpoint_slice("web", app="web"))
        same = await client.merge_patch(EndpointSlice, key("web"), {"metadata": {"labels": {"app": "web"}}})
        assert same == made

    run(check)


def test_a_watch_tells_every_change_after_its_version_once(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        await client.create(endpoint_slice("before"))
        _, version = await client.list(EndpointSlice)
        await client.create(endpoint_slice("early"))
        stream = client.watch(EndpointSlice, version)
        first = await anext(stream)
        assert (first.type, first.obj.metadata.resource_version) == (BOOKMARK, version)
        assert await seen(stream, 1) == [(ADDED, "early")]
        await client.merge_patch(EndpointSlice, key("early"), {"metadata": {"labels": {"a": "b"}}})
        await client.delete(EndpointSlice, key("before"))
        await client.create(endpoint_slice("late"))
        assert await seen(stream, 3) == [(MODIFIED, "early"), (DELETED, "before"), (ADDED, "late")]

    run(check)


def test_a_selective_watch_sees_objects_enter_and_leave(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        made = await client.create(endpoint_slice("web", app="web"))
        stream = client.watch(EndpointSlice, made.metadata.resource_version, NAMESPACE, labels="app=web")
        await client.merge_patch(EndpointSlice, key("web"), {"metadata": {"labels": {"app": "db"}}})
        await client.create(endpoint_slice("other", app="db"))
        await client.merge_patch(EndpointSlice, key("web"), {"metadata": {"labels": {"app": "web"}}})
        assert await seen(stream, 2) == [(DELETED, "web"), (ADDED, "web")]

    run(check)


def test_a_bound_pod_has_a_node_and_cannot_be_bound_again(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        made = await client.create(pod("web"))
        await client.bind(key("web"), made.metadata.uid, "node-1")
        assert (await client.get(Pod, key("web"))).spec.node_name == "node-1"
        assert await refused(client.bind(key("web"), made.metadata.uid, "node-2")) == (409, "Conflict")

    run(check)


def test_a_running_pod_is_deleted_in_two_steps(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        made = await client.create(pod("web", node="node-1"))
        running = PodStatus(phase="Running", conditions=(Condition(type="Ready", status="True"),))
        await client.merge_patch(Pod, key("web"), {"status": {"phase": running.phase}}, "status")
        stream = client.watch(Pod, made.metadata.resource_version)
        await client.delete(Pod, key("web"), grace_seconds=7)
        ending = await client.get(Pod, key("web"))
        assert ending.metadata.deletion_timestamp
        assert ending.metadata.deletion_grace_period_seconds == 7
        await client.delete(Pod, key("web"), uid=made.metadata.uid, grace_seconds=0)
        assert await refused(client.get(Pod, key("web"))) == (404, "NotFound")
        assert await seen(stream, 3) == [(MODIFIED, "web"), (MODIFIED, "web"), (DELETED, "web")]

    run(check)


def test_a_uid_guards_against_deleting_a_namesake(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        await client.create(endpoint_slice("web"))
        assert await refused(client.delete(EndpointSlice, key("web"), uid="of-another")) == (409, "Conflict")
        assert (await client.get(EndpointSlice, key("web"))).metadata.name == "web"

    run(check)


def test_a_finalizer_holds_a_deleted_object(run: Callable[[Check], None]) -> None:
    async def check(client: Client) -> None:
        meta = ObjectMeta(name="web", namespace=NAMESPACE, finalizers=("moorage.dev/test",))
        await client.create(EndpointSlice(metadata=meta, address_type="IPv4"))
        await client.delete(EndpointSlice, key("web"))
        assert (await client.get(EndpointSlice, key("web"))).metadata.deletion_timestamp
        await client.merge_patch(EndpointSlice, key("web"), {"metadata": {"finalizers": None}})
        assert await refused(client.get(EndpointSlice, key("web"))) == (404, "NotFound")

    run(check)
