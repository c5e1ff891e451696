"""Events go an hour after they were written last (kube-apiserver `--event-ttl`)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moorage.model.kinds import EVENTS
from moorage.registry.expiry import expired
from moorage.run.event_expiry import BATCH, remove_expired
from tests.registry.world import START, STARTED, World, key

LATER = "2023-11-14T23:00:00.000000Z"
ABOUT = {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"}, "reason": "Tested"}


def write(world: World, name: str, **fields: Any) -> None:
    world.create(EVENTS, {"metadata": {"name": name}, **ABOUT, **fields})


@pytest.mark.parametrize(
    ("fields", "after", "gone"),
    [
        ({}, 3599, False),
        ({}, 3601, True),
        ({"lastTimestamp": STARTED}, 3601, True),
        ({"lastTimestamp": "2023-11-14T23:00:00Z"}, 3601, False),
        ({"series": {"count": 2, "lastObservedTime": LATER}}, 3601, False),
        ({"series": {"count": 2, "lastObservedTime": LATER}}, 7200, True),
        ({"series": {"count": 2, "lastObservedTime": "soon"}}, 3601, True),
        ({"firstTimestamp": "2023-11-14T20:00:00Z"}, 3599, False),
        ({"lastTimestamp": "2099-01-01T00:00:00Z"}, 3601, True),
    ],
)
def test_an_hour_after_the_last_write(fields: dict[str, Any], after: float, gone: bool) -> None:
    world = World()
    write(world, "it", **fields)
    found = expired(world.store.list("events")[0], START + after)
    assert [each.key.name for each in found] == (["it"] if gone else [])


def test_many_go_in_batches_and_the_young_stay() -> None:
    world = World()
    for number in range(BATCH + 5):
        write(world, f"old-{number}")
    world.now = START + 3000
    write(world, "young")
    assert asyncio.run(remove_expired(world.registry, START + 3700)) == BATCH + 5
    assert [each.key.name for each in world.store.list("events")[0]] == ["young"]


def test_an_event_that_was_written_again_stays() -> None:
    world = World()
    write(world, "it")
    (old,) = expired(world.store.list("events")[0], START + 3700)
    world.merge(EVENTS, "it", {"count": 2})
    assert old.options.resource_version != str(world.registry.get(EVENTS, key(EVENTS, "it")).revision)
