"""Leases of speakers, judged by what is seen of them here."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from moorage.announce.roll import CALM, DURATION, HEARD, LOST, RENEW, Roll, own_lease, view_lease, view_of
from moorage.announce.wish import State, View
from moorage.model.announcing import EDGES, NODES
from moorage.model.cluster import Lease
from moorage.model.meta import Key


def lease(name: str, version: int, address: str = "192.0.2.1") -> Lease:
    made = own_lease(NODES, name, [ip_address(address)], 1e9, None)
    return replace(made, metadata=replace(made.metadata, resource_version=str(version)))


def keyed(*leases: Lease) -> dict[Key, Lease]:
    return {each.key: each for each in leases}


def test_names_of_the_two_groups_do_not_meet() -> None:
    assert NODES.speaker(NODES.lease("edge-1")) == "edge-1"
    assert NODES.speaker(EDGES.lease("1")) is None
    assert NODES.speaker(NODES.view) is None
    assert NODES.speaker(Key("kube-node-lease", "announce-node-a")) is None


def test_a_view_is_read_as_it_was_written() -> None:
    view = View(7, ("a", "b"))
    assert view_of(view_lease(NODES, "a", view, 1e9, None)) == view
    assert view_of(None) == View()
    assert view_of(lease("a", 1)) == View()


def test_an_update_keeps_the_version_that_was_seen() -> None:
    seen = view_lease(NODES, "a", View(1, ("a",)), 1e9, None)
    seen = replace(seen, metadata=replace(seen.metadata, resource_version="5"))
    later = view_lease(NODES, "a", View(2, ("a", "b")), 1e9, seen)
    assert later.metadata.resource_version == "5"
    assert view_of(later) == View(2, ("a", "b"))


ALL = View(3, ("a", "b", "c"))
WELL = State(peers=ALL.members, authority=True, view=ALL)
ALONE = replace(WELL, peers=("a",), missed=("b", "c"))


@pytest.mark.parametrize("state", [ALONE, replace(WELL, authority=False), replace(WELL, view=View(4, ("b",))), State()])
def test_a_lease_is_renewed_in_a_hurry_where_somebody_is_missed(state: State) -> None:
    roll = Roll(NODES, "a")
    assert not roll.hear(WELL, 100.0)
    assert roll.hear(state, 101.0)
    assert not roll.hear(WELL, 102.0)


def test_the_api_is_heard_while_the_own_renewals_come_back() -> None:
    roll = Roll(NODES, "a")
    roll.hear(WELL, 100.0)
    roll.look(keyed(lease("b", 1)), 100.0)
    assert not roll.heard(100.0)
    roll.look(keyed(lease("a", 1)), 100.0)
    assert roll.heard(100.0 + CALM + HEARD - 0.1)
    assert not roll.heard(100.0 + CALM + HEARD)


@pytest.mark.parametrize("at", [0.0, 7.0])
def test_a_renewal_in_a_hurry_has_to_come_back_sooner(at: float) -> None:
    """And not before it can: one of two that lost the other asks the API at once."""
    roll = Roll(NODES, "a")
    roll.hear(WELL, 100.0)
    roll.look(keyed(lease("a", 1)), 100.0)
    roll.hear(ALONE, 100.0 + at)
    assert roll.heard(100.0 + at + HEARD - 0.1)
    assert not roll.heard(100.0 + at + HEARD)


def test_an_alarm_does_not_bring_an_api_back_that_is_silent() -> None:
    roll = Roll(NODES, "a")
    roll.hear(WELL, 100.0)
    roll.look(keyed(lease("a", 1)), 100.0)
    roll.hear(ALONE, 100.0 + CALM + HEARD - 1)
    assert not roll.heard(100.0 + CALM + HEARD)


def test_who_is_silent_is_gone_but_not_because_the_api_was_away() -> None:
    roll = Roll(NODES, "a")
    for second in range(int(DURATION) + 2):
        roll.hear(ALONE, 100.0 + second)
        roll.look(keyed(lease("a", second), lease("b", 1), lease("c", second)), 100.0 + second)
    assert roll.silent(DURATION, ["b", "c", "never"], 111.0) == ("b", "never")
    assert roll.silent(LOST, ["b", "c", "never"], 111.0) == ()
    roll.look(keyed(lease("a", 11)), 111.0 + HEARD + 50)
    assert roll.silent(DURATION, ["b", "c"], 111.0 + HEARD + 50) == ()


class Life:
    """How `b` sees `c`, which renews its Lease as it should while it lives, and misses `b` from `cut` on."""

    def __init__(self, cut: float, first: float) -> None:
        self.cut = cut
        self.due = first
        self.version = 0
        self.itself, self.other = Roll(NODES, "c"), Roll(NODES, "b")

    def gone(self, until: float, dies: float) -> float | None:
        """When `b` calls `c` gone for the first time."""
        for step in range(int(2 * until)):
            now = step / 2
            heard = now < min(self.cut, dies)
            alarmed = self.itself.hear(WELL if heard else replace(WELL, missed=("b",)), now)
            if now < dies and now >= self.due - (CALM - RENEW if alarmed else 0.0):
                self.version += 1
                self.due = now + CALM + 0.5  # to write it takes a while
            self.other.hear(WELL if heard else replace(WELL, peers=("a", "b"), missed=("c",)), now)
            self.other.look(keyed(lease("b", step), lease("c", self.version)), now)
            if self.other.silent(DURATION, ["c"], now):
                return now
        return None


@pytest.mark.parametrize("first", [0.0, 0.5, 3.0, 5.0, 8.0, 9.5])
def test_one_that_lives_is_never_gone_however_calm_it_was(first: float) -> None:
    """Nobody hears it from a moment on, between any two of its renewals."""
    assert Life(cut=40.0, first=first).gone(until=200.0, dies=1e9) is None


@pytest.mark.parametrize("first", [0.0, 3.0, 9.5])
def test_one_that_dies_is_gone_soon_however_calm_it_was(first: float) -> None:
    """When it renewed its Lease last does not count."""
    at = Life(cut=1e9, first=first).gone(until=200.0, dies=40.0)
    assert at is not None
    assert at - 40.0 <= DURATION


def test_peers_are_met_where_their_leases_say_until_they_are_lost() -> None:
    roll = Roll(NODES, "a")
    roll.look(keyed(lease("a", 1), lease("b", 1, "2001:db8::2")), 100.0)
    assert roll.peers(100.0, []) == {"a": ("192.0.2.1",), "b": ("2001:db8::2",)}
    assert set(roll.peers(100.0 + LOST, ["b"])) == {"b"}
