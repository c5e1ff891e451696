"""Leases of speakers, judged by what is seen of them here."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace

from moorage.announce.roll import DURATION, EDGES, HEARD, LOST, NODES, Roll, own_lease, view_lease, view_of
from moorage.announce.wish import View
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


def test_the_api_is_heard_while_the_own_renewals_come_back() -> None:
    roll = Roll(NODES, "a")
    roll.look(keyed(lease("b", 1)), 100.0)
    assert not roll.heard(100.0)
    roll.look(keyed(lease("a", 1)), 100.0)
    assert roll.heard(100.0 + HEARD - 0.1)
    assert not roll.heard(100.0 + HEARD)


def test_who_is_silent_is_gone_but_not_because_the_api_was_away() -> None:
    roll = Roll(NODES, "a")
    for second in range(DURATION + 2):
        roll.look(keyed(lease("a", second), lease("b", 1), lease("c", second)), 100.0 + second)
    assert roll.silent(DURATION, ["b", "c", "never"], 111.0) == ("b", "never")
    roll.look(keyed(lease("a", DURATION + 1)), 111.0 + HEARD + 50)
    assert roll.silent(DURATION, ["b", "c"], 111.0 + HEARD + 50) == ()


def test_peers_are_met_where_their_leases_say_until_they_are_lost() -> None:
    roll = Roll(NODES, "a")
    roll.look(keyed(lease("a", 1), lease("b", 1, "2001:db8::2")), 100.0)
    assert roll.peers(100.0, []) == {"a": ("192.0.2.1",), "b": ("2001:db8::2",)}
    assert set(roll.peers(100.0 + LOST, ["b"])) == {"b"}
