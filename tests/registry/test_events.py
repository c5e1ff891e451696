"""Event rules (`pkg/apis/core/validation/events.go`)."""

from __future__ import annotations

import pytest

from moorage.model.cluster import Event
from moorage.model.kinds import EVENTS
from tests.registry.world import World, causes, refused


@pytest.mark.parametrize("about", ["default", ""])
def test_an_event_lives_with_what_it_is_about(about: str) -> None:
    world = World()
    world.create(
        EVENTS, {"metadata": {"name": "a.1"}, "involvedObject": {"kind": "Node", "namespace": about}, "reason": "Ready"}
    )
    assert world.get(Event, "a.1").reason == "Ready"


def test_an_event_elsewhere_is_refused() -> None:
    world = World()
    tree = {"metadata": {"name": "a.1"}, "involvedObject": {"kind": "Pod", "namespace": "other"}, "eventTime": "5"}
    error = refused(world, lambda: world.create(EVENTS, tree), 422)
    assert causes(error) == [
        'eventTime: Invalid value: "5": must be a time as in RFC 3339, (e.g. 2006-01-02T15:04:05Z)',
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ]
