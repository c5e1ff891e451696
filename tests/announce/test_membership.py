"""Who votes: one comes or goes at a time, and not before everybody could know of the change before."""

from __future__ import annotations

from msgspec.structs import replace

from moorage.announce.membership import Membership
from moorage.announce.timing import BEAT, JOIN, STEP_RETRY, UP
from moorage.announce.wish import View, Wish

THREE = View(4, ("a", "b", "c"))
NOW = 50.0


def wish(*peers: str, **more: object) -> Wish:
    return Wish("a", dict.fromkeys(("a", *peers), ()), heard=True, **more)  # type: ignore[arg-type]


def of(view: View, *others: str, epoch: int | None = None, name: str = "a") -> Membership:
    """One that has heard the others for long."""
    made = Membership(name, view)
    for each in others:
        hears(made, each, NOW - 10 * JOIN, NOW, view.epoch if epoch is None else epoch)
    return made


def hears(made: Membership, name: str, since: float, until: float, epoch: int) -> None:
    at = since
    while at <= until + BEAT / 2:
        peer = made.hear(name, 7, at, at)
        assert peer is not None
        peer.epoch, peer.able = epoch, True
        at += BEAT


def later(made: Membership, wanted: Wish, authority: bool = True, now: float = NOW) -> View | None:
    """What it proposes UP after it has looked for the first time."""
    assert made.proposal(wanted, authority, False, now) is None
    for name in list(made.peers):
        if made.peers[name].is_heard(now):
            hears(made, name, now + BEAT, now + UP, made.peers[name].epoch)
    made.proposal(wanted, authority, False, now + UP)
    return made.proposal(wanted, authority, False, now + UP)


def test_the_first_view_has_one() -> None:
    assert of(View()).proposal(wish(), False, False, NOW) == View(1, ("a",))


def test_one_that_has_been_heard_for_a_while_joins() -> None:
    assert later(of(View(1, ("a",)), "b"), wish("b")) == View(2, ("a", "b"))


def test_one_without_a_lease_does_not_join() -> None:
    assert later(of(View(1, ("a",)), "b"), wish()) is None


def test_no_view_follows_before_a_majority_has_had_the_last_one_for_long_enough() -> None:
    made = of(THREE, "b", "c", "d", epoch=3)
    assert later(made, wish("b", "c", "d")) is None
    made = of(THREE, "b", "c", "d")
    assert made.proposal(wish("b", "c", "d"), True, False, NOW) is None
    assert made.proposal(wish("b", "c", "d"), True, False, NOW + UP - 0.01) is None
    hears(made, "d", NOW + BEAT, NOW + UP, 4)
    assert made.proposal(wish("b", "c", "d"), True, False, NOW + UP) == View(5, ("a", "b", "c", "d"))


def test_without_the_api_nothing_changes() -> None:
    assert later(of(View(1, ("a",)), "b"), replace(wish("b"), heard=False)) is None


def test_a_majority_leaves_out_who_is_gone_but_nobody_who_is_only_silent() -> None:
    made = of(THREE, "b")
    assert later(made, wish("b", "c")) is None
    assert later(of(THREE, "b"), wish("b", "c", gone=("c",))) == View(5, ("a", "b"))


def test_one_that_leaves_asks_for_a_view_without_itself_and_is_not_taken_in_again() -> None:
    leaving = wish("b", leaving=True)
    made = of(View(4, ("a", "b")), "b")
    assert made.proposal(leaving, True, True, NOW) is None
    hears(made, "b", NOW + BEAT, NOW + UP, 4)
    assert made.proposal(leaving, True, True, NOW + UP) == View(5, ("b",))
    assert not made.has_left(NOW + UP)
    made.adopt(View(5, ("b",)))
    assert not made.has_left(NOW + UP), "b does not know it yet"
    made.peers["b"].epoch = 5
    assert made.has_left(NOW + UP)
    assert later(made, leaving, now=NOW + UP) is None
    other = of(View(5, ("b",)), "a", name="b")
    other.peers["a"].able = False
    assert later(other, replace(wish(), name="b", peers={"a": (), "b": ()})) is None


def test_one_that_is_heard_stays_though_its_lease_has_run_out() -> None:
    assert later(of(THREE, "b", "c"), wish("b", "c", gone=("c",))) is None


def test_half_of_them_ask_the_api_to_leave_out_one_of_the_others() -> None:
    assert later(of(View(4, ("a", "b"))), wish("b"), authority=False) is None  # it never heard that b has this view
    made = of(View(4, ("a", "b")), "b")
    made.proposal(wish("b"), True, False, NOW)
    assert made.proposal(wish("b"), False, False, NOW + UP) == View(5, ("a",))
    four = of(View(4, ("a", "b", "c", "d")), "b", "c")
    four.proposal(wish("b", "c", "d"), True, False, NOW)
    hears(four, "b", NOW + BEAT, NOW + UP, 4)
    assert four.proposal(wish("b", "c", "d"), False, False, NOW + UP) == View(5, ("a", "b", "d"))


def test_fewer_than_half_ask_for_nothing_until_the_others_certainly_do_not_run() -> None:
    assert later(of(THREE), wish("b", "c", gone=("b", "c")), authority=False) is None
    assert of(THREE).proposal(wish("b", "c", lost=("b",)), False, False, NOW) is None
    assert of(THREE).proposal(wish("b", "c", lost=("b", "c")), False, False, NOW) == View(5, ("a",))


def test_those_whose_names_come_first_ask_first() -> None:
    made = of(View(4, ("a", "b")), "a", "c", name="b")
    wanted = Wish("b", {"a": (), "b": (), "c": ()}, heard=True)
    assert later(made, wanted) is None
    hears(made, "a", NOW + UP + BEAT, NOW + UP + STEP_RETRY, 4)
    hears(made, "c", NOW + UP + BEAT, NOW + UP + STEP_RETRY, 4)
    assert made.proposal(wanted, True, False, NOW + UP + STEP_RETRY) == View(5, ("a", "b", "c"))


def test_a_newer_view_is_taken_from_whoever_has_it() -> None:
    made = Membership("a", THREE)
    assert not made.adopt(View(3, ("x",)))
    assert not made.adopt(View(4, ("x",)))
    assert made.adopt(View(5, ("a", "b")))
    assert made.view.majority == 2


def test_one_that_was_silent_joins_anew() -> None:
    made = of(THREE, "b")
    made.peers["b"].able = True
    assert made.candidates(NOW) == {"b"}
    hears(made, "b", NOW + UP, NOW + UP, 4)
    assert made.candidates(NOW + UP) == frozenset()
    hears(made, "b", NOW + UP + BEAT, NOW + UP + JOIN + BEAT, 4)
    assert made.candidates(NOW + UP + JOIN + BEAT) == {"b"}


def test_each_new_view_is_waited_for_anew() -> None:
    made = of(THREE, "b", "c", "d", "e")
    wanted = wish("b", "c", "d", "e")
    first = later(made, wanted)
    assert first == View(5, ("a", "b", "c", "d"))
    made.adopt(first)
    hears(made, "d", NOW + UP + BEAT, NOW + 3 * UP, 4)
    for at in (NOW + UP, NOW + 3 * UP):
        assert made.proposal(wanted, True, False, at) is None, "nobody else is known to have it"
    for name in ("b", "c", "e"):
        hears(made, name, NOW + 3 * UP + BEAT, NOW + 4 * UP, 5)
    assert made.proposal(wanted, True, False, NOW + 4 * UP) is None
