from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.control.schedule import Scheduler, refusal
from moorage.model.cluster import Node, Taint
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.snapshot import Changes
from moorage.model.verbs import Bind
from tests.control.things import World, node, pod

NODES = tuple(node(f"node-{number}") for number in (1, 2, 3))


def waiting(name: str, **fields: object) -> Pod:
    return pod(name, node="", **fields)  # type: ignore[arg-type]


def placed(world: World) -> dict[str, str]:
    return {key.name: each.spec.node_name for key, each in sorted(world.snapshot.all(Pod).items())}


def test_pods_of_the_same_labels_are_spread() -> None:
    world = World(*NODES, *(waiting(f"w{n}") for n in range(6)), *(waiting(f"d{n}", labels={"app": "db"}) for n in range(3)))
    said = world.settle(Scheduler())
    for letter in "wd":
        counts = Counter(where for name, where in placed(world).items() if name.startswith(letter))
        assert len(counts) == 3
        assert max(counts.values()) == min(counts.values())
    assert "Scheduled: Successfully assigned default/w0 to node-1" in said
    assert len(said) == 9


def test_then_the_node_with_the_fewest_pods_then_the_first_by_name() -> None:
    world = World(*NODES, pod("x", node="node-1", labels={"app": "x"}), waiting("a"))
    world.settle(Scheduler())
    assert placed(world)["a"] == "node-2"


def test_pods_that_ended_do_not_count() -> None:
    ended = pod("x", node="node-1")
    ended = replace(ended, status=replace(ended.status, phase="Succeeded"))
    world = World(*NODES, ended, waiting("a"))
    world.settle(Scheduler())
    assert placed(world)["a"] == "node-1"


def test_bindings_under_way_count_and_are_not_made_twice() -> None:
    world, scheduler = World(*NODES, waiting("a")), Scheduler()
    first = world.look(scheduler, now=0)
    world.put(waiting("b"))
    second = world.look(scheduler, now=1)
    assert [each.node for each in (*first.verbs, *second.verbs) if isinstance(each, Bind)] == ["node-1", "node-2"]
    assert second.wake_at == 5


def test_a_binding_that_failed_is_made_again() -> None:
    world, scheduler = World(*NODES, waiting("a")), Scheduler()
    lost = world.look(scheduler, now=0)
    scheduler.failed(lost.verbs)
    assert world.look(scheduler, now=1).verbs == lost.verbs
    assert world.notes == []


def test_nobody_says_scheduled_of_a_pod_that_somebody_else_placed() -> None:
    world, scheduler = World(*NODES, waiting("a")), Scheduler()
    world.look(scheduler)
    world.put(pod("a", node="node-3"))
    world.look(scheduler)
    assert (world.verbs, world.notes) == ([], [])


@pytest.mark.parametrize(
    "left",
    [
        waiting("a", scheduler_name="mine"),
        waiting("a", terminating=True),
        replace(waiting("a"), status=replace(waiting("a").status, phase="Failed")),
    ],
)
def test_pods_of_others_and_pods_that_end_are_left_alone(left: Pod) -> None:
    world = World(*NODES, left)
    world.look(Scheduler())
    assert (world.verbs, world.notes) == ([], [])


GPU = {"gpu": "yes"}
DEDICATED = Taint(key="dedicated", value="db", effect="NoSchedule")


@pytest.mark.parametrize(
    ("where", "who", "word"),
    [
        (node("n"), waiting("a"), None),
        (node("n", ready="False"), waiting("a"), "node(s) were not ready"),
        (node("n", ready="Unknown"), waiting("a"), "node(s) were not ready"),
        (node("n", unschedulable=True), waiting("a"), "node(s) were unschedulable"),
        (node("n", unschedulable=True), waiting("a", tolerations=({"operator": "Exists"},)), None),
        (node("n"), waiting("a", node_selector=GPU), "node(s) didn't match Pod's node affinity/selector"),
        (replace(node("n"), metadata=replace(node("n").metadata, labels=GPU)), waiting("a", node_selector=GPU), None),
        (node("n", taints=(DEDICATED,)), waiting("a"), "node(s) had untolerated taint {dedicated: db}"),
        (node("n", taints=(DEDICATED,)), waiting("a", tolerations=({"key": "dedicated", "operator": "Exists"},)), None),
    ],
)
def test_refusals(where: Node, who: Pod, word: str | None) -> None:
    assert refusal(who, where) == word


def test_why_no_node_fits_is_said_once_per_cause() -> None:
    world, scheduler = World(waiting("a")), Scheduler()
    assert world.settle(scheduler) == ["FailedScheduling: no nodes available to schedule pods"]
    world.put(node("n1", unschedulable=True), node("n2", taints=(DEDICATED,)), node("n3", taints=(DEDICATED,)))
    assert world.settle(scheduler) == [
        "FailedScheduling: 0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) had untolerated taint {dedicated: db}."
    ]
    world.put(node("n1", unschedulable=True))
    assert world.settle(scheduler) == []
    world.put(node("n1"))
    assert world.settle(scheduler) == ["Scheduled: Successfully assigned default/a to n1"]


history = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.integers(0, 9), st.sampled_from(["web", "db"])),
        st.tuples(st.just("gone"), st.integers(0, 9)),
        st.tuples(st.just("cordon"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("look")),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)


@given(history)
def test_whatever_happens_every_pod_ends_on_a_node_that_takes_it(steps: list[tuple[object, ...]]) -> None:
    world, scheduler = World(*NODES), Scheduler()
    for step in steps:
        match step:
            case ("new", number, app) if world.snapshot.get(Pod, Key("default", f"p{number}")) is None:
                world.put(waiting(f"p{number}", labels={"app": app}))
            case ("gone", number):
                world.remove(Pod, f"p{number}")
            case ("cordon", number, closed):
                world.put(node(f"node-{number}", unschedulable=bool(closed)))
            case ("look",):
                world.run(scheduler)
            case ("restart",):
                scheduler, world._changes = Scheduler(), Changes(everything=True)
    world.settle(scheduler)
    open_nodes = [each for each in world.snapshot.all(Node).values() if not each.spec.unschedulable]
    assert all(placed(world).values()) or not open_nodes
    load = Counter(where for where in placed(world).values() if where)
    assert {name: scheduler._placements.load(name, ("", frozenset()))[1] for name in load} == dict(load)
