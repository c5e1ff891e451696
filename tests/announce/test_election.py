"""Who should have which address: bounded load, few moves, the same answer for the same question."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.announce.election import SLACK, elect, rank
from moorage.model.net import Address

NODES = tuple(f"node-{number}" for number in range(8))
BASE = int(IPv4Address("198.18.100.0"))
ADDRESSES = tuple(IPv4Address(BASE + number) for number in range(200))

Eligible = dict[Address, frozenset[str]]


def everybody(addresses: tuple[Address, ...], nodes: tuple[str, ...]) -> Eligible:
    return {each: frozenset(nodes) for each in addresses}


some_addresses = st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), unique=True, max_size=60).map(tuple)
some_nodes = st.lists(st.text("abcdef-", min_size=1, max_size=6), unique=True, min_size=1, max_size=9).map(tuple)


@st.composite
def restricted(draw: st.DrawFn) -> tuple[Eligible, tuple[str, ...]]:
    nodes = draw(some_nodes)
    subset = st.frozensets(st.sampled_from(nodes))
    return {each: draw(subset) for each in draw(some_addresses)}, nodes


@given(restricted(), st.data())
@settings(max_examples=50)
def test_everyone_who_can_be_served_is_and_nobody_gets_much_more_than_its_share(
    asked: tuple[Eligible, tuple[str, ...]], data: st.DataObject
) -> None:
    eligible, nodes = asked
    candidates = frozenset(data.draw(st.sets(st.sampled_from(nodes))))
    found = elect(eligible, candidates)
    assert found.keys() == {each for each, names in eligible.items() if names & candidates}
    assert all(name in eligible[address] & candidates for address, name in found.items())
    for name, count in Counter(found.values()).items():
        share = sum(Fraction(1, len(names & candidates)) for names in eligible.values() if name in names)
        assert count <= ceil(SLACK * share)


@given(restricted())
@settings(max_examples=30)
def test_the_order_of_the_question_does_not_matter(asked: tuple[Eligible, tuple[str, ...]]) -> None:
    eligible, nodes = asked
    turned = {each: sorted(names, reverse=True) for each, names in reversed(eligible.items())}
    assert elect(eligible, frozenset(nodes)) == elect(turned, frozenset(nodes))


@given(st.integers(1, 200), st.integers(2, 8), st.data())
@settings(max_examples=50)
def test_a_node_that_goes_moves_little_but_its_own_and_gets_the_same_back(count: int, nodes: int, data: st.DataObject) -> None:
    names = NODES[:nodes]
    eligible = everybody(ADDRESSES[:count], names)
    gone = data.draw(st.sampled_from(names))
    before = elect(eligible, frozenset(names))
    without = elect(eligible, frozenset(names) - {gone})
    others = [each for each in before if before[each] != gone and before[each] != without[each]]
    assert len(others) <= 2 + count // 8
    assert elect(eligible, frozenset(names)) == before


def test_moves_of_others_are_few_on_average() -> None:
    eligible = everybody(ADDRESSES, NODES)
    before = elect(eligible, frozenset(NODES))
    moved = 0
    for gone in NODES:
        without = elect(eligible, frozenset(NODES) - {gone})
        moved += sum(1 for each in before if before[each] not in (gone, without[each]))
    assert moved / len(NODES) <= 0.05 * len(ADDRESSES)


def test_the_load_is_spread() -> None:
    loads = Counter(elect(everybody(ADDRESSES, NODES), frozenset(NODES)).values())
    assert set(loads) == set(NODES)
    assert max(loads.values()) <= ceil(SLACK * 25)
    assert min(loads.values()) >= 12


def test_ranks_are_the_same_everywhere() -> None:
    """A change of these numbers moves addresses while nodes of both versions run."""
    assert f"{rank(IPv4Address('192.0.2.1').packed, 'node-1'):016x}" == "dd4552e8354034d2"
    assert f"{rank(IPv6Address('2001:db8::1').packed, 'node-2'):016x}" == "a4bcd8a43acc1068"
