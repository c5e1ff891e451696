"""The client, the mirror and the controllers against what a kube-apiserver 1.36 said. `stories.py` tells what was done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from moorage.client.http_io import HttpClient
from moorage.client.mirror_io import Mirror
from moorage.client.perform_io import perform
from moorage.model.cluster import Namespace
from moorage.model.config import ConfigMap
from moorage.model.errors import ApiError
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.ports import BOOKMARK
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.model.verbs import Delete, MergePatch, Update
from moorage.table.compile import compile_table
from moorage.table.types import NodeFacts
from tests.recorded.playback import Playback, played
from tests.recorded.spoken import DATA, load
from tests.recorded.stories import FOLLOWED, PAGE, POOL, SHOP, STORIES, a_service, balancing, made
from tests.sent.judge import judge
from tests.sent.recorded import exchanges
from tests.sent.roles import embedded

MOST_BYTES = 300_000
SETTINGS = Key(SHOP, "settings")
COUNTS = "/ipaddresspools/public/status"
Deed = Callable[[Playback, HttpClient], Awaitable[None]]


def play(story: str, directory: Path, deed: Deed, cut: int = 0) -> None:
    async def run() -> None:
        async with (
            asyncio.timeout(20),
            played(load(story), directory, cut) as (playback, access),
            HttpClient(access, page_size=PAGE, user_agent="moorage") as client,
        ):
            await deed(playback, client)

    asyncio.run(run())


async def until(holds: Callable[[], object]) -> None:
    """Waits, within the bound of the play."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # a mirror has one reader, which is not the test


async def refusal(request: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await request
    return caught.value


def names(snapshot: Snapshot, type_: type[Object]) -> set[str]:
    return {key.name for key in snapshot.all(type_) if key.namespace == SHOP}


@pytest.mark.parametrize("cut", [0, 1, 1000])
def test_pages_and_events_become_a_table(tmp_path: Path, cut: int) -> None:
    async def deed(playback: Playback, client: HttpClient) -> None:
        mirror = Mirror(client, FOLLOWED)
        following = asyncio.create_task(mirror.run())
        try:
            await until(lambda: mirror.synced and names(mirror.snapshot, Service) == {"a", "b", "c"})
            await until(lambda: names(mirror.snapshot, EndpointSlice) == {"a-1", "b-1"})
            await until(lambda: not mirror.snapshot.all(EndpointSlice)[Key(SHOP, "a-1")].endpoints)
        finally:
            following.cancel()
            await asyncio.wait([following])
        assert (playback.left, playback.unexpected) == ([], [])
        seen.append(mirror.snapshot)

    seen: list[Snapshot] = []
    play("follow", tmp_path, deed, cut)
    [snapshot] = seen
    services = snapshot.all(Service)
    assert services[Key(SHOP, "c")].spec.session_affinity == "ClientIP"
    assert [each.spec.cidrs for each in snapshot.all(ServiceCIDR).values()] == [("10.96.0.0/16",)]
    assert {each.metadata.managed_fields for each in services.values()} == {None}
    table = compile_table(snapshot, NodeFacts("node-1"))
    backends = {
        key.name: [msgspec.structs.asdict(each)["endpoint"] for frontend in frontends for each in frontend.backends]
        for key, frontends in table.services.items()
        if key.namespace == SHOP
    }
    assert backends == {"a": [], "b": [bytes([10, 244, 1, 4]) + (8080).to_bytes(2, "big")], "c": []}
    assert table.services[Key("default", "kubernetes")][0].backends


def test_a_bookmark_is_heard(tmp_path: Path) -> None:
    async def deed(playback: Playback, client: HttpClient) -> None:
        _, version = await client.list(Namespace, fields=f"metadata.name={SHOP}")
        async with aclosing(client.watch(Namespace, version, fields=f"metadata.name={SHOP}")) as events:
            types = [(await anext(events)).type for _ in range(2)]
            last = await anext(events)
        assert [*types, last.type] == [BOOKMARK, "MODIFIED", BOOKMARK]
        assert int(last.obj.metadata.resource_version) > int(version)
        assert playback.unexpected == []

    play("bookmarks", tmp_path, deed)


def test_what_the_server_has_forgotten_is_expired(tmp_path: Path) -> None:
    """The next page of a list is gone: the whole list is asked for, which was not recorded. So is a watch from long ago."""

    async def deed(playback: Playback, client: HttpClient) -> None:
        error = await refusal(client.list(Service, SHOP))
        assert error.code == 404
        assert [each.query for each in playback.unexpected] == [{}]
        async with aclosing(client.watch(Service, "1", SHOP)) as events:
            assert (await anext(events)).type == BOOKMARK
            error = await refusal(anext(events))
        assert (error.code, error.reason) == (410, "Expired")
        assert error.message.startswith("too old resource version: 1 (")

    play("expired", tmp_path, deed)


def test_refusals_are_told_apart(tmp_path: Path) -> None:
    async def deed(playback: Playback, client: HttpClient) -> None:
        first = await client.create(made(ConfigMap, "settings", SHOP, data={"a": "1"}))
        await client.merge_patch(ConfigMap, SETTINGS, {"data": {"a": "2"}})
        told = [
            await refusal(each)
            for each in (
                client.create(first),
                client.create(made(ConfigMap, "settings", SHOP)),
                client.update(first),
                client.get(ConfigMap, Key(SHOP, "missing")),
                client.list(IPAddressPool),
                client.create(made(ConfigMap, "settings", "default")),
                client.create(a_service("web", type="LoadBalancer", clusterIP="None", ports=[{"port": 0}, {"port": 80}])),
                client.delete(ConfigMap, SETTINGS, uid="00000000-0000-0000-0000-000000000000"),
            )
        ]
        assert [(each.code, each.reason) for each in told] == [
            (500, "InternalError"),
            (409, "AlreadyExists"),
            (409, "Conflict"),
            (404, "NotFound"),
            (403, "Forbidden"),
            (403, "Forbidden"),
            (422, "Invalid"),
            (409, "Conflict"),
        ]
        assert [each["field"] for each in told[6].details["causes"]][:3] == [
            "spec.clusterIPs[0]",
            "spec.ports[0].name",
            "spec.ports[0].port",
        ]
        assert (playback.left, playback.unexpected, playback.differing) == ([], [], [])

    play("refused", tmp_path, deed)


def test_a_conflict_is_not_tried_again(tmp_path: Path) -> None:
    async def deed(playback: Playback, client: HttpClient) -> None:
        stale = await client.create(made(ConfigMap, "settings", SHOP, data={"a": "1"}))
        await client.merge_patch(ConfigMap, SETTINGS, {"data": {"a": "2"}})
        verbs = (Update(stale), Delete(ConfigMap, SETTINGS, "00000000-0000-0000-0000-000000000000"))
        failures = await perform(client, verbs, "test", lambda: 0.0)
        assert [(each.reason, each.retry) for each in failures] == [("Conflict", False), ("Conflict", False)]

    play("refused", tmp_path, deed)


def test_a_kind_that_is_missing(tmp_path: Path) -> None:
    """The server answers in plain text. A patch of such an object fails, and is not tried again."""

    async def deed(playback: Playback, client: HttpClient) -> None:
        verb = MergePatch(IPAddressPool, POOL, {"status": {"assignedIPv4": 1}}, "status")
        [failure] = await perform(client, (verb,), "test", lambda: 0.0)
        assert (failure.code, failure.reason, failure.retry) == (404, "NotFound", False)
        error = await refusal(client.list(IPAddressPool))
        assert (error.code, str(error)) == (404, "the server answered 404: 404 page not found")
        assert playback.unexpected == []

    play("absent", tmp_path, deed)


def test_a_server_without_a_seat(tmp_path: Path) -> None:
    """API priority and fairness answers in plain text, and says in a header when to come back."""
    [asked] = load("busy")
    assert (asked.status, asked.answer_headers["retry-after"]) == (429, "1")

    async def deed(playback: Playback, client: HttpClient) -> None:
        error = await refusal(client.list(ConfigMap, SHOP))
        assert (error.code, error.reason) == (429, "TooManyRequests")

    play("busy", tmp_path, deed)


@pytest.mark.parametrize("cut", [0, 100])
def test_addresses_are_given_and_taken_back(tmp_path: Path, cut: int) -> None:
    """The controllers write what they wrote beside the real server, each write guarded by the version that it gave. How often
    a pool is counted meanwhile is left to chance.
    """

    async def deed(playback: Playback, client: HttpClient) -> None:
        mirror, tasks = balancing(client)

        def shown() -> dict[str, list[str]]:
            found = mirror.snapshot.all(Service).values()
            return {each.metadata.name: [one.ip for one in each.status.load_balancer.ingress] for each in found}

        try:
            await playback.until_written("services")
            await until(lambda: shown() == {"kubernetes": [], "second": ["192.0.2.1"], "third": ["192.0.2.0"]})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        asked = (*playback.unexpected, *(each for _, each in playback.differing))
        assert [each for each in asked if not each.path.endswith(COUNTS)] == []

    play("balance", tmp_path, deed, cut)


def test_every_story_is_recorded_and_small() -> None:
    files = sorted(DATA.glob("*.jsonl"))
    assert [each.stem for each in files] == sorted(STORIES)
    assert sum(each.stat().st_size for each in files) < MOST_BYTES


@pytest.mark.parametrize("story", sorted(STORIES))
def test_nothing_private_is_recorded(story: str) -> None:
    text = (DATA / f"{story}.jsonl").read_text()
    assert "uthorization" not in text
    assert "BEGIN " not in text
    assert {header for each in load(story) for header in each.headers} <= {"user-agent", "accept", "content-type"}


@pytest.mark.parametrize("story", sorted(set(STORIES) - {"refused"}))
def test_what_was_asked_fits_the_schemas(story: str) -> None:
    """But for what was made to be refused."""
    assert judge(exchanges(load(story)), lambda agent, ask: True) == []


@pytest.mark.parametrize(("story", "role"), [("follow", "moorage-node"), ("balance", "moorage-controller")])
def test_what_was_asked_is_within_the_rights_of_the_role(story: str, role: str) -> None:
    assert judge(exchanges(load(story)), lambda agent, ask: embedded(role, ask)) == []
