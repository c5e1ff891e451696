from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.datapath.nft.chains import MOST_SLOTS, Pick
from moorage.datapath.nft.elements import Element, place
from moorage.datapath.nft.entry import Entry, Side, assign, difference, elements, entry
from moorage.datapath.nft.spaces import Space
from moorage.table.types import AddressKind, Choice, Frontend, NoBackend
from tests.datapath.tables import backend, choice, frontend, node_port

AT = place(frontend().match)
ENDPOINTS = st.lists(st.binary(min_size=1, max_size=1), max_size=8)


def weighed(*weights: tuple[int, int]) -> Frontend:
    chosen = Choice(tuple(backend(number, weight=weight) for number, weight in weights))
    return Frontend(frontend().match, AddressKind.CLUSTER_IP, chosen)


def test_the_last_moves_into_the_hole() -> None:
    a, b, c, d, e = (bytes([each]) for each in b"abcde")
    assert assign((), (a, b)) == (a, b)
    assert assign((a, b, c, d), (a, c, d)) == (a, d, c)
    assert assign((a, b, c), (a, c, e)) == (a, e, c)
    assert assign((a, b), (a, b, c)) == (a, b, c)
    assert assign((a, b, c, d), (d,)) == (d,)
    assert assign((a, b), (c, d, e)) == (c, d, e)
    assert assign((a,), ()) == ()
    assert assign((a, a, b), (a, b, b)) == (a, b, b)


@given(ENDPOINTS, ENDPOINTS)
def test_slots_hold_each_backend_and_move_as_few_as_possible(installed: list[bytes], wanted: list[bytes]) -> None:
    slots = assign(tuple(installed), tuple(wanted))
    assert sorted(slots) == sorted(wanted)
    changed = sum(old != new for old, new in zip(installed, slots, strict=False))
    left, lost = Counter(wanted), 0
    for each in installed[: len(wanted)]:
        lost += not left[each]
        left[each] -= left[each] > 0
    assert changed == lost


@given(ENDPOINTS, ENDPOINTS)
def test_seats_are_never_shared_and_do_not_depend_on_the_way(before: list[bytes], after: list[bytes]) -> None:
    def side(endpoints: list[bytes], old: Entry | None) -> Entry:
        numbers = sorted({each[0] for each in endpoints})
        return entry(frontend(backends=tuple(numbers), affinity=60), old)

    first, walked, direct = side(before, None), side(after, side(before, None)), side(after, None)
    old, new, fresh = (dict(zip(each.outside.slots, each.outside.seats, strict=True)) for each in (first, walked, direct))
    assert len(set(new.values())) == len(new)
    assert new == fresh
    assert all(old[each] == new[each] for each in old.keys() & new.keys()), "none of these hash alike"


def test_endpoints_that_hash_alike_sit_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage.datapath.nft.entry.crc32", lambda data: MOST_SLOTS - 1)
    assert entry(frontend(backends=(1, 2, 3), affinity=60), None).outside.seats == (MOST_SLOTS - 1, 0, 1)


def test_an_entry_keeps_slots() -> None:
    first = entry(frontend(backends=(1, 2, 3)), None)
    assert first.pick(Space.ADDRESS) == Pick(Space.ADDRESS, 3)
    second = entry(frontend(backends=(2, 3), masquerade=True), first)
    assert second.outside.slots == (first.outside.slots[2], first.outside.slots[1])
    assert second.pick(Space.ADDRESS) == Pick(Space.ADDRESS, 2, masquerade=True)
    assert entry(frontend(), None).pick(Space.ADDRESS) is None


def test_weights_are_repeated_slots_that_share_a_seat() -> None:
    heavy = entry(weighed((1, 3), (2, 1)), None)
    assert heavy.outside.slots == (backend(1).endpoint,) * 3 + (backend(2).endpoint,)
    kept = entry(Frontend(frontend().match, AddressKind.CLUSTER_IP, weighed((1, 3), (2, 1)).choice, affinity=9), None)
    first, second = kept.outside.seats[0], kept.outside.seats[-1]
    assert first != second
    assert kept.outside.seats == (first, first, first, second)
    assert len(list(elements(AT, kept))) == kept.size == 1 + 4 + 2


def test_a_consistent_choice_does_not_depend_on_what_was_there() -> None:
    direct = entry(frontend(backends=(1, 2, 4), consistent=True), None)
    walked = entry(frontend(backends=(1, 2, 4), consistent=True), entry(frontend(backends=(3, 2, 1), consistent=True), None))
    assert direct == walked
    assert direct.pick(Space.ADDRESS) == Pick(Space.ADDRESS, 251, hashed=True)
    assert {count for _, count in Counter(direct.outside.slots).items()} <= {83, 84}


def test_frontends_of_the_same_machines_choose_alike() -> None:
    one, other = (
        Frontend(frontend().match, AddressKind.LOAD_BALANCER, choice(1, 2, 3, port=port), consistent=True)
        for port in (30080, 30443)
    )
    hosts = [[each[:-2] for each in entry(of, None).outside.slots] for of in (one, other)]
    assert hosts[0] == hosts[1]
    same = Choice(tuple(sorted(backend(1, port=port) for port in (8080, 8081))))
    assert len(set(entry(Frontend(frontend().match, AddressKind.CLUSTER_IP, same, consistent=True), None).outside.slots)) == 2


def test_a_consistent_choice_changes_in_the_slots_that_differ() -> None:
    before = entry(frontend(backends=(1, 2, 3, 4), consistent=True), None)
    after = entry(frontend(backends=(1, 2, 4), consistent=True), before)
    removed, added = difference(AT, before, after)
    assert len(removed) == len(added) < 251 / 4 + 251 * 0.1
    assert set(elements(AT, before)) - set(removed) | set(added) == set(elements(AT, after))


def test_the_inside_has_slots_of_its_own() -> None:
    split = entry(node_port(backends=(1,), inside=(1, 2)), None)
    assert split.endpoints == {backend(1).endpoint, backend(2).endpoint}
    assert (len(split.outside.slots), len(split.inside.slots)) == (1, 2)


def test_the_difference_is_what_differs() -> None:
    two = entry(frontend(backends=(1, 2)), None)
    removed, added = difference(AT, two, entry(frontend(backends=(1, 2, 3)), two))
    assert [str(each) for each in removed] == ["frontends 10.96.0.10 . tcp . 80 : pick-2"]
    assert [str(each) for each in added] == [
        "frontends 10.96.0.10 . tcp . 80 : pick-3",
        "backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    ]
    assert difference(AT, two, two) == ([], [])
    removed, added = difference(AT, Entry(without_backend=NoBackend.DROP), None)
    assert (removed, added) == ([Element("dropped", AT.key)], [])


def test_the_size_is_the_number_of_elements() -> None:
    nets = (ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"))
    for each in (
        frontend(),
        frontend(backends=(1, 2), sources=nets),
        frontend(dropped=True, inside=(1,)),
        frontend(backends=(1,), inside=(1, 2), affinity=5, masquerade=True),
        frontend("198.18.0.1", 10, backends=(1,), last=20, sources=nets),
    ):
        made = entry(each, None)
        assert len(list(elements(place(each.match), made))) == made.size


def test_a_choice_that_is_too_large_loses_what_is_beyond() -> None:
    many = Choice(tuple(backend(1, weight=1) for _ in range(32769)))
    assert entry(Frontend(frontend().match, AddressKind.CLUSTER_IP, many), None).outside == Side((backend(1).endpoint,) * 32768)
