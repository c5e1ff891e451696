"""A watch through selectors: objects come and go as they start and stop to match."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from moorage.model.kinds import NAMESPACES, PODS, SERVICES, Kind
from moorage.model.ports import ADDED, DELETED, MODIFIED, StoreEvent, Subscription, WriteOptions
from moorage.model.selectors import parse_field_selector, parse_label_selector
from moorage.registry.watch_io import SelectedSubscription
from tests.registry.world import World


def opened(world: World, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> Subscription:
    selectors = parse_label_selector(labels), parse_field_selector(fields)
    return world.registry.watch(kind, namespace, world.store.revision, *selectors)


def seen(subscription: Subscription) -> list[tuple[str, str]]:
    events: Sequence[StoreEvent] = asyncio.run(subscription.next(0))
    return [(each.type, each.record.key.name) for each in events]


def test_an_object_is_followed_in_and_out_of_a_selection() -> None:
    world = World()
    subscription = opened(world, SERVICES, labels="app=web")
    world.service()
    assert seen(subscription) == []
    world.merge(SERVICES, "web", {"metadata": {"labels": {"app": "web"}}})
    world.merge(SERVICES, "web", {"spec": {"selector": {"a": "b"}}})
    assert seen(subscription) == [(ADDED, "web"), (MODIFIED, "web")]
    world.merge(SERVICES, "web", {"metadata": {"labels": {"app": "other"}}})
    (event,) = asyncio.run(subscription.next(0))
    body = msgspec.json.decode(event.record.body)
    assert event.type == DELETED
    assert body["metadata"]["labels"] == {"app": "web"}  # the last state that matched
    assert body["metadata"]["resourceVersion"] == str(event.revision) == str(world.store.revision)
    world.delete(SERVICES, "web")
    assert seen(subscription) == []
    assert subscription.revision == world.store.revision


def test_a_deletion_is_seen_by_those_who_saw_the_object() -> None:
    world = World()
    world.service("web")
    subscription = opened(world, SERVICES, fields="metadata.name=web")
    world.service("other")
    world.delete(SERVICES, "other")
    world.delete(SERVICES, "web")
    assert seen(subscription) == [(DELETED, "web")]


def test_a_kubelet_sees_its_pods() -> None:
    world = World()
    subscription = opened(world, PODS, fields="spec.nodeName=node-1")
    for name in ("a", "b"):
        world.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    world.bind("a", {"target": {"name": "node-1"}})
    world.bind("b", {"target": {"name": "node-2"}})
    assert seen(subscription) == [(ADDED, "a")]
    world.merge(PODS, "a", {"status": {"phase": "Running"}}, "status")
    world.delete(PODS, "a", grace_seconds=0)
    assert seen(subscription) == [(MODIFIED, "a"), (DELETED, "a")]


def test_one_namespace() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "team"}})
    subscription = opened(world, SERVICES, "team")
    world.service("web")
    world.create(SERVICES, {"metadata": {"name": "mine"}, "spec": {"ports": [{"port": 80}]}}, "team")
    assert seen(subscription) == [(ADDED, "mine")]


def test_without_a_selection_the_store_is_watched_directly() -> None:
    world = World()
    subscription = opened(world, SERVICES)
    assert not isinstance(subscription, SelectedSubscription)
    world.service("web")
    assert seen(subscription) == [(ADDED, "web")]


def test_it_waits_through_events_that_it_does_not_show() -> None:
    world = World()
    subscription = opened(world, SERVICES, fields="metadata.name=web")

    async def waited() -> Sequence[StoreEvent]:
        waiting = asyncio.ensure_future(subscription.next(10))
        for name in ("a", "b", "web"):
            await asyncio.sleep(0)
            tree = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
            await world.registry.create(SERVICES, "default", tree, WriteOptions())
        return await waiting

    events = asyncio.run(waited())
    assert [each.record.key.name for each in events] == ["web"]


def test_it_gives_up_when_time_is_over() -> None:
    world = World()
    subscription = opened(world, SERVICES, fields="metadata.name=web")
    world.service("other")
    assert asyncio.run(subscription.next(0.01)) == []
    subscription.close()
