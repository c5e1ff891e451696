from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.table.maglev import SIZES, lookup, size


def names(count: int, first: int = 1) -> tuple[bytes, ...]:
    return tuple(bytes([198, 18, number // 256, number % 256]) for number in range(first, first + count))


def equal(backends: tuple[bytes, ...]) -> list[bytes]:
    """The table with names in place of indexes."""
    return [backends[index] for index in lookup(backends, (1,) * len(backends))]


def moved(before: list[bytes], after: list[bytes]) -> int:
    return sum(one != other for one, other in zip(before, after, strict=True))


def test_sizes_are_primes_of_which_each_backend_gets_twenty_five_places() -> None:
    for each in SIZES:
        assert all(each % divisor for divisor in range(2, int(each**0.5) + 1)), each
    assert [size(count) for count in (0, 1, 2, 10, 11, 40, 41, 163, 164, 655, 5000)] == [
        *(0, 1, 251, 251, 1021, 1021, 4093, 4093, 16381, 16381, 16381)
    ]


@given(st.sets(st.binary(min_size=1, max_size=16), min_size=1, max_size=100))
def test_every_backend_gets_its_share(backends: set[bytes]) -> None:
    table = equal(tuple(sorted(backends)))
    assert len(table) == size(len(backends))
    counts = Counter(table)
    assert counts.keys() == backends
    assert max(counts.values()) - min(counts.values()) <= 1


@given(st.lists(st.integers(1, 20), min_size=2, max_size=10))
def test_shares_are_in_proportion_to_weights(weights: list[int]) -> None:
    backends = names(len(weights))
    counts = Counter(lookup(backends, tuple(weights)))
    total = sum(weights)
    for index, weight in enumerate(weights):
        assert abs(counts[index] - 251 * weight / total) <= len(weights), (weights, counts)


@given(st.integers(3, 10), st.data())
def test_one_that_goes_moves_few_of_the_others(count: int, data: st.DataObject) -> None:
    """Its own places have to move; of the others' move fewer than one in six."""
    backends = names(count)
    gone = data.draw(st.sampled_from(backends))
    before, after = equal(backends), equal(tuple(each for each in backends if each != gone))
    others = [place for place, each in enumerate(before) if each != gone]
    assert gone not in after
    assert sum(before[place] != after[place] for place in others) < len(others) / 6


@given(st.integers(2, 9))
def test_one_that_comes_takes_few_places_but_its_own(count: int) -> None:
    backends = names(count)
    assert moved(equal(backends), equal(names(count + 1))) < 251 / (count + 1) + 251 / 6


def test_few_move_in_the_mean() -> None:
    """At ten backends, the loss of each of them once."""
    backends = names(10)
    before = equal(backends)
    extra = 0
    for gone in backends:
        after = equal(tuple(each for each in backends if each != gone))
        extra += moved(before, after) - Counter(before)[gone]
    assert extra / (10 * 251) < 0.07


@pytest.mark.parametrize("backends", [(), (b"one",)])
def test_without_a_choice(backends: tuple[bytes, ...]) -> None:
    assert equal(backends) == list(backends)


def test_a_large_table_takes_less_than_a_second() -> None:
    started = time.process_time()
    assert len(lookup(names(1000, 5000), (1,) * 1000)) == 16381
    assert time.process_time() - started < 1.0
