"""Speakers in a world of virtual time: never two that answer for one address, and soon one again."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.announce.election import elect
from moorage.announce.timing import UP
from moorage.model.net import Address
from tests.announce.speakers import World

FORMED = 6.0
"""Virtual seconds in which a world of five has one view of all."""


def formed(count: int, addresses: int = 4, seed: int = 1) -> World:
    world = World(count, addresses, seed)
    world.run(FORMED)
    assert set(world.view.members) == set(world.machines)
    return world


def served(world: World) -> None:
    """Every address has an owner: the one of the election."""
    eligible: dict[Address, list[str]] = {each: list(world.machines) for each in world.addresses}
    wanted = elect(eligible, frozenset(world.machines))
    assert {each: world.owners(each) for each in world.addresses} == {each: [name] for each, name in wanted.items()}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_cluster_forms(count: int) -> None:
    served(formed(count))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_node_that_dies_is_replaced_soon_and_gets_back_its_own(count: int) -> None:
    world = formed(count)
    lost = world.owners(world.addresses[0])[0]
    world.crash(lost)
    since = world.now
    world.run(3.0)
    assert all(len(world.owners(each)) == 1 for each in world.addresses)
    assert max(world.silence(each, since) for each in world.addresses) < UP + 0.15
    world.boot(lost)
    world.run(6.0)
    served(world)


def missed(world: World) -> dict[str, tuple[str, ...]]:
    return {name: each.speaker.missed(world.now) for name, each in world.machines.items() if each.speaker is not None}


def test_voters_that_do_not_hear_each_other_miss_each_other_both() -> None:
    """Also where only one of them is deaf: their Leases say that they live."""
    world = formed(3)
    assert missed(world) == {"node-0": (), "node-1": (), "node-2": ()}
    world.cut = {("node-0", "node-1")}
    world.run(1.0)
    assert missed(world) == {"node-0": ("node-1",), "node-1": ("node-0",), "node-2": ()}
    world.heal()
    world.crash("node-2")
    world.run(1.0)
    assert missed(world) == {"node-0": ("node-2",), "node-1": ("node-2",)}
    world.run(6.0)
    assert missed(world) == {"node-0": (), "node-1": ()}, "it does not vote any more"


def test_nobody_answers_for_less_than_a_moment_when_a_node_is_drained() -> None:
    world = formed(3)
    since = world.now
    world.machines["node-1"].eligible = False
    world.run(2.0)
    assert all("node-1" not in world.owners(each) and world.owners(each) for each in world.addresses)
    assert max(world.silence(each, since) for each in world.addresses) < 0.01
    world.machines["node-1"].eligible = True
    world.run(2.0)
    served(world)


@pytest.mark.parametrize("count", [2, 3])
def test_a_leaving_speaker_hands_over_and_is_not_waited_for(count: int) -> None:
    """Also where the one that stays would be half of the voters."""
    world = formed(count)
    since = world.now
    world.machines["node-1"].leaving = True
    world.run(1.5)
    leaving = world.machines["node-1"].speaker
    assert leaving is not None
    assert leaving.is_done(world.now)
    world.crash("node-1")
    world.run(3.0)
    assert "node-1" not in world.view.members
    assert max(world.silence(each, since) for each in world.addresses) < 0.01


def test_the_next_run_of_a_speaker_goes_on_where_the_last_one_ended() -> None:
    world = formed(3)
    since = world.now
    for _ in range(10):
        world.hand_over("node-1")
        world.run(0.2)
    assert max(world.silence(each, since) for each in world.addresses) == 0.0


def test_an_api_outage_changes_no_owner() -> None:
    world = formed(3)
    since = world.now
    for each in world.machines.values():
        each.api = False
    world.run(12.0)
    assert max(world.silence(each, since) for each in world.addresses) == 0.0
    world.crash("node-2")
    world.run(1.0)
    assert all(len(world.owners(each)) == 1 for each in world.addresses)


def test_two_that_do_not_hear_each_other_are_told_apart_by_the_api() -> None:
    world = formed(2)
    world.partition(["node-0"])
    world.run(2.0)
    assert len({world.owners(each)[0] for each in world.addresses}) == 1
    assert len(world.view.members) == 1
    world.heal()
    world.run(6.0)
    served(world)


def test_half_of_the_voters_without_the_api_answer_for_nothing() -> None:
    world = formed(2)
    for each in world.machines.values():
        each.api = False
    world.partition(["node-0"])
    world.run(5.0)
    assert all(world.owners(each) == [] for each in world.addresses)


def test_a_majority_that_is_cut_off_from_the_api_keeps_its_addresses() -> None:
    world = formed(5)
    for name in ("node-0", "node-1", "node-2"):
        world.machines[name].api = False
    world.partition(["node-0", "node-1", "node-2"])
    world.run(12.0)
    assert all(world.owners(each)[0] in ("node-0", "node-1", "node-2") for each in world.addresses)


@pytest.mark.parametrize("deaf", ["node-0", "node-1", "node-2"])
def test_one_that_is_heard_but_hears_nobody_gives_way(deaf: str) -> None:
    world = formed(3)
    world.cut = {(other, deaf) for other in world.machines if other != deaf}
    world.run(4.0)
    assert all(len(world.owners(each)) == 1 and deaf not in world.owners(each) for each in world.addresses)


def test_two_of_three_that_do_not_hear_each_other_leave_nothing_unanswered() -> None:
    world = formed(3, addresses=20)
    world.cut = {("node-0", "node-1"), ("node-1", "node-0")}
    world.run(8.0)
    assert all(len(world.owners(each)) == 1 for each in world.addresses)


names = st.integers(0, 4).map(lambda number: f"node-{number}")
seconds = st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.5])
faults = st.one_of(
    st.tuples(st.sampled_from(["crash", "boot", "hand over", "drain", "heal", "no api", "unhealthy", "leave"]), names),
    st.tuples(st.just("pause"), names, seconds),
    st.tuples(st.just("partition"), st.sets(names, min_size=1, max_size=3)),
    st.tuples(st.just("one way"), names, names),
    st.tuples(st.just("loss"), st.sampled_from([0.1, 0.3, 0.6])),
    st.tuples(st.just("delay"), st.sampled_from([0.05, 0.3, 1.0])),
)


def strike(world: World, kind: str, *what: object) -> None:
    count = len(world.machines)

    def named(number: int = 0) -> str:
        return f"node-{int(str(what[number])[-1]) % count}"

    match kind:
        case "crash":
            world.crash(named())
        case "boot":
            world.boot(named())
        case "hand over":
            world.hand_over(named())
        case "drain":
            world.machines[named()].eligible = False
        case "no api":
            world.machines[named()].api = False
        case "unhealthy":
            world.machines[named()].healthy = False
        case "leave":
            world.machines[named()].leaving = True
        case "heal":
            world.heal()
        case "pause":
            world.machines[named()].paused_until = world.now + float(str(what[1]))
        case "partition":
            side = {f"node-{int(each[-1]) % count}" for each in what[0]}  # type: ignore[attr-defined]
            world.partition(sorted(side))
        case "one way":
            world.cut.add((named(), named(1)))
        case "loss":
            world.loss = float(str(what[0]))
        case "delay":
            world.delay = float(str(what[0]))


@given(st.integers(2, 5), st.integers(0, 1 << 30), st.lists(st.tuples(faults, seconds), max_size=12))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_nobody_answers_beside_another_and_in_the_end_all_is_served(
    count: int, seed: int, story: list[tuple[tuple[str, ...], float]]
) -> None:
    """The world itself fails where two answer for one address at any moment."""
    world = World(count, 3, seed)
    world.run(3.0)
    for (kind, *what), pause in story:
        strike(world, kind, *what)
        world.run(pause)
    world.heal()
    world.run(12.0)
    served(world)
