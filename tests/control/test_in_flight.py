from __future__ import annotations

from moorage.control.in_flight import InFlight, target
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.snapshot import Changes
from moorage.model.verbs import Bind, Create, Delete, MergePatch, Note, Update, Verb
from tests.control.things import World, pod

OWNER, POD = Key("default", "web"), Key("default", "a")
ONE = pod("a")


def test_what_a_verb_writes() -> None:
    verbs: list[Verb] = [Create(ONE), Update(ONE), MergePatch(Pod, POD, {}), Delete(Pod, POD), Bind(POD, "u", "n")]
    assert {target(each) for each in verbs} == {(Pod, POD)}
    assert target(Note(ONE, Reason.SCHEDULED, "")) is None


def test_a_write_is_waited_for_until_it_shows() -> None:
    world, flights = World(), InFlight(patience=5)
    flights.sent(OWNER, [Create(ONE)], world.snapshot, now=10)
    assert flights.blocked_until(OWNER, world.snapshot, now=11) == 15
    assert flights.blocked_until(Key("default", "other"), world.snapshot, now=11) is None
    world.put(ONE)
    assert flights.blocked_until(OWNER, world.snapshot, now=12) is None
    flights.sent(OWNER, [Update(ONE)], world.snapshot, now=20)
    assert flights.blocked_until(OWNER, world.snapshot, now=20) == 25
    world.put(ONE)
    assert flights.blocked_until(OWNER, world.snapshot, now=20) is None
    flights.sent(OWNER, [Delete(Pod, POD)], world.snapshot, now=30)
    assert flights.blocked_until(OWNER, world.snapshot, now=30) == 35
    world.remove(Pod, "a")
    assert flights.blocked_until(OWNER, world.snapshot, now=30) is None


def test_patience_ends() -> None:
    flights = InFlight(patience=5)
    flights.sent(OWNER, [Create(ONE)], World().snapshot, now=10)
    assert flights.blocked_until(OWNER, World().snapshot, now=15) is None


def test_all_of_an_owners_writes_must_show() -> None:
    world, flights = World(), InFlight(patience=5)
    flights.sent(OWNER, [Create(ONE)], world.snapshot, now=10)
    flights.sent(OWNER, [Create(pod("b"))], world.snapshot, now=12)
    world.put(ONE)
    assert flights.blocked_until(OWNER, world.snapshot, now=13) == 17


def test_what_failed_is_no_longer_waited_for() -> None:
    world, flights = World(), InFlight()
    flights.sent(OWNER, [Create(ONE)], world.snapshot, now=10)
    assert flights.failed([Note(ONE, Reason.SCHEDULED, ""), Create(pod("b"))]) == frozenset()
    assert flights.failed([Create(ONE)]) == {OWNER}
    assert flights.blocked_until(OWNER, world.snapshot, now=10) is None


def test_what_came_and_went_between_two_looks_has_been_seen() -> None:
    """A slice that the garbage collector removed at once: the snapshot looks as it did before the write."""
    flights = InFlight(patience=5)
    flights.sent(OWNER, [Create(ONE), Create(pod("b"))], World().snapshot, now=10)
    flights.shown(Changes({Pod: frozenset({POD})}))
    assert flights.blocked_until(OWNER, World().snapshot, now=11) == 15
    flights.shown(Changes({Pod: frozenset({Key("default", "b")})}))
    assert flights.blocked_until(OWNER, World().snapshot, now=11) is None
