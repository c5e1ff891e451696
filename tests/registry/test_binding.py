"""`pods/NAME/binding`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import PODS
from moorage.model.meta import condition
from moorage.model.pods import Pod
from tests.registry.world import STARTED, World, causes, refused


def waiting(world: World, **metadata: Any) -> Pod:
    world.create(PODS, {"metadata": {"name": "web", **metadata}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    return world.get(Pod, "web")


def to(node: str, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": "web", **metadata},
        "target": {"kind": "Node", "name": node},
    }


def test_a_pod_gets_its_node() -> None:
    world = World()
    uid = waiting(world).metadata.uid
    assert world.bind("web", to("node-1", uid=uid, annotations={"a": "b"}, creationTimestamp=None)).created
    pod = world.get(Pod, "web")
    assert (pod.spec.node_name, pod.metadata.annotations) == ("node-1", {"a": "b"})
    scheduled = condition(pod.status.conditions, "PodScheduled")
    assert scheduled is not None
    assert (scheduled.status, scheduled.last_transition_time) == ("True", STARTED)


def test_only_once() -> None:
    world = World()
    waiting(world)
    world.bind("web", to("node-1"))
    error = refused(world, lambda: world.bind("web", to("node-2")), 409)
    assert error.message == (
        'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "node-1"'
    )


def test_not_when_it_is_going() -> None:
    world = World()
    waiting(world, finalizers=["example.com/a"])
    world.delete(PODS, "web")
    error = refused(world, lambda: world.bind("web", to("node-1")), 409)
    assert error.message.endswith("pod web is being deleted, cannot be assigned to a host")


def test_not_a_namesake() -> None:
    world = World()
    waiting(world)
    refused(world, lambda: world.bind("web", to("node-1", uid="other")), 409)
    refused(world, lambda: world.bind("other", to("node-1")), 404)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, ["target.name: Required value"]),
        ({"kind": "Pod", "name": "x"}, ['target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"']),
    ],
)
def test_a_target_is_a_node(target: dict[str, Any], expected: list[str]) -> None:
    world = World()
    waiting(world)
    assert causes(refused(world, lambda: world.bind("web", {"target": target}), 422)) == expected
    refused(world, lambda: world.bind("web", {"target": "node-1"}), 400)
