"""How few writes the EndpointSlice controller makes. Rows name the upstream test or passage that they come from."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from moorage.control.types import Plan
from moorage.model.pods import Pod
from moorage.model.slices import EndpointHints, EndpointSlice, ForNode, ForZone
from moorage.model.snapshot import Changes
from moorage.model.verbs import Create, Delete, Update
from tests.control.test_endpoint_slices import controller, slices
from tests.control.things import World, node, pod, service


def pods(*numbers: int, ready: bool = True) -> list[Pod]:
    return [pod(f"p{n:04}", f"10.244.{n // 250}.{n % 250 + 1}", ready=ready) for n in numbers]


def written(plan: Plan) -> list[str]:
    """The verbs in short, a slice by the number of its endpoints: `create 100`, `update 51`, `delete`."""
    words = []
    for each in plan.verbs:
        if isinstance(each, Create | Update):
            assert isinstance(each.obj, EndpointSlice)
            words.append(f"{type(each).__name__.lower()} {len(each.obj.endpoints)}")
        else:
            assert isinstance(each, Delete)
            words.append("delete")
    return sorted(words)


ROWS: list[tuple[str, int, list[int], list[int], list[str]]] = [
    # what, Pods before, who joins, who leaves, writes
    ("TestReconcileManyPods", 0, list(range(250)), [], ["create 100", "create 100", "update 50"]),
    ("one joins, room in one slice", 250, [250], [], ["update 51"]),
    ("one joins full slices (reconcileByPortMapping step 3)", 300, [300], [], ["create 1"]),
    ("as many as fit", 250, list(range(250, 300)), [], ["update 100"]),
    ("more than fit (step 3: a single slice or new ones)", 250, list(range(250, 301)), [], ["create 51"]),
    ("more than one slice", 250, list(range(250, 400)), [], ["create 100", "update 100"]),
    ("one leaves", 250, [], [7], ["update 99"]),
    ("the last of a slice leaves", 101, [], [100], ["delete"]),
    ("one for one: the slice that changes takes it (step 2)", 250, [250], [7], ["update 100"]),
    ("a whole slice is replaced (TestReconcile...Recycling)", 100, list(range(100, 200)), list(range(100)), ["update 100"]),
    ("many leave one slice", 250, [], list(range(200, 249)), ["update 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "joining", "leaving", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_writes(before: int, joining: list[int], leaving: list[int], expected: list[str]) -> None:
    world, one = World(node("node-1"), service(), *pods(*range(before))), controller()
    world.settle(one)
    kept = {each.key: each for each in slices(world)}
    world.put(*pods(*joining))
    for number in leaving:
        world.remove(Pod, f"p{number:04}")
    plan = world.look(one)
    assert written(plan) == expected
    full = {key for key, each in kept.items() if len(each.endpoints) == 100}
    touched = {each.obj.key for each in plan.verbs if isinstance(each, Update)}
    assert leaving or not full & touched, "a full slice is not rewritten for one that joins"
    world.perform(plan)
    world.settle(one)


def test_what_does_not_concern_an_endpoint_writes_nothing() -> None:
    """`podEndpointsChanged` in util/controller_utils.go; targetRef carries no resourceVersion."""
    world, one = World(node("node-1"), service(), *pods(*range(120))), controller()
    world.settle(one)
    [first] = pods(7)
    world.put(replace(first, metadata=replace(first.metadata, annotations={"a": "b"})), node("node-1", ready="Unknown"))
    assert world.look(one).verbs == ()


def test_changed_labels_of_the_service_are_on_every_slice() -> None:
    """`TestReconcileEndpointSlicesServicesLabelsUpdating`, `...ServicesReservedLabels`."""
    world, one = World(node("node-1"), service(), *pods(*range(150))), controller()
    world.settle(one)
    world.put(service(labels={"team": "red", "endpointslice.kubernetes.io/managed-by": "me"}))
    assert written(world.look(one)) == ["update 100", "update 50"]


def test_a_slice_that_is_being_deleted_is_replaced() -> None:
    """`dropEndpointSlicesPendingDeletion` in pkg/controller/endpointslice/endpointslice_controller.go."""
    world, one = World(node("node-1"), service(), *pods(1)), controller()
    world.settle(one)
    [ending] = slices(world)
    world.put(
        replace(ending, metadata=replace(ending.metadata, deletion_timestamp="2026-01-01T00:00:00Z", finalizers=("a/b",)))
    )
    assert written(world.run(one)) == ["create 1"]
    world.settle(one)
    assert len(slices(world)) == 2


PODS, WRITE_TAKES = 200, 20


def test_a_burst_becomes_few_writes_and_its_first_change_does_not_wait() -> None:
    """One Pod after the other becomes ready, one each tick; a write takes 20 ticks to be done and seen."""
    world, one = World(node("node-1"), service(), *pods(*range(PODS), ready=False)), controller()
    world.settle(one)
    writes, under_way, done_at = [], Plan(), -1
    for tick in range(PODS + 3 * WRITE_TAKES):
        if tick < PODS:
            world.put(*pods(tick))
        if tick == done_at:
            world.perform(under_way)
            done_at = -1
        if done_at < 0:
            under_way = world.look(one, now=float(tick) / 1000)
            if under_way.verbs:
                writes.append((tick, written(under_way)))
                done_at = tick + WRITE_TAKES
    assert writes[0] == (0, ["update 100"])
    assert len(writes) <= PODS / WRITE_TAKES + 2
    assert sum(len(each) for _, each in writes) <= len(writes) + 2, "the slice of Pods that do not change is left alone"
    assert all(endpoint.conditions.ready for each in slices(world) for endpoint in each.endpoints)


HINTS: list[tuple[str, str | None, list[EndpointHints | None]]] = [
    # the Pods: ready in zone east, ready in no zone, not ready in zone east (`TestReconcileHints`, trafficdist_test.go)
    ("zone hints with PreferClose", "PreferClose", [EndpointHints(for_zones=(ForZone(name="east"),)), None, None]),
    ("zone hints with PreferSameZone", "PreferSameZone", [EndpointHints(for_zones=(ForZone(name="east"),)), None, None]),
    (
        "zone and node hints with PreferSameNode",
        "PreferSameNode",
        [
            EndpointHints(for_zones=(ForZone(name="east"),), for_nodes=(ForNode(name="node-1"),)),
            EndpointHints(for_nodes=(ForNode(name="node-2"),)),
            None,
        ],
    ),
    ("no hints when trafficDistribution is unrecognized", "Unknown", [None, None, None]),
    ("no hints when trafficDistribution is unset", None, [None, None, None]),
]


@pytest.mark.parametrize(("distribution", "expected"), [row[1:] for row in HINTS], ids=[row[0] for row in HINTS])
@pytest.mark.parametrize("before", [None, "PreferSameNode", "PreferClose"])
def test_hints(before: str | None, distribution: str | None, expected: list[EndpointHints | None]) -> None:
    """Whatever they were before: they are corrected and removed too."""
    world = World(
        node("node-1", zone="east"),
        node("node-2"),
        service(traffic_distribution=before),
        pod("a", "10.244.1.1"),
        pod("b", "10.244.2.1", node="node-2"),
        pod("c", "10.244.1.2", ready=False),
    )
    one = controller()
    world.settle(one)
    world.put(service(traffic_distribution=distribution))
    world.settle(one)
    [only] = slices(world)
    assert [
        each.hints for each in sorted(only.endpoints, key=lambda each: str(each.target_ref and each.target_ref.name))
    ] == expected


def test_a_node_that_moves_to_another_zone_takes_its_hints_along() -> None:
    world, one = (
        World(node("node-1", zone="east"), service(traffic_distribution="PreferSameZone"), pod("a", "10.244.1.1")),
        controller(),
    )
    world.settle(one)
    world.put(node("node-1", zone="west"))
    world.settle(one)
    assert [each.hints for each in slices(world)[0].endpoints] == [EndpointHints(for_zones=(ForZone(name="west"),))]


def test_the_annotation_tells_when_the_change_began() -> None:
    world, one = World(node("node-1"), service()), controller()
    world.settle(one)
    [only] = pods(1)
    [ready] = only.status.conditions
    since = "2026-01-01T10:00:00Z"
    world.put(replace(only, status=replace(only.status, conditions=(replace(ready, last_transition_time=since),))))
    world.settle(one)
    annotations = slices(world)[0].metadata.annotations
    assert annotations == {"endpoints.kubernetes.io/last-change-trigger-time": since}
    world.put(service(ports=()))
    world.settle(one)
    assert slices(world)[0].metadata.annotations == {}, "upstream cannot tell when a Service changed"
    world._changes = Changes(everything=True)
    assert world.look(controller()).verbs == (), "the annotation alone is no reason to write"
