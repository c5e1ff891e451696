from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.table.types import Backend
from moorage.table.weights import ANNOTATION, MOST, MOST_SHARES, shares, weighed, weight_of
from tests.table.objects import ip, node


def backends(*weights: int) -> tuple[Backend, ...]:
    return tuple(Backend.at(ip("10.244.0.0") + number, 80, weight=weight) for number, weight in enumerate(weights))


@pytest.mark.parametrize(
    ("text", "weight"),
    [(None, 1), ("1", 1), ("0", 0), ("1000", 1000), ("1001", None), ("-1", None), ("1.5", None), ("", None), ("²", None)],
)
def test_a_weight_is_a_whole_number_up_to_1000(text: str | None, weight: int | None) -> None:
    annotations = {} if text is None else {ANNOTATION: text}
    assert weight_of(node("a", metadata={"annotations": annotations})) == weight


def test_weight_zero_is_left_out_unless_there_is_nobody_else() -> None:
    some, none, one = backends(0, 2), backends(0, 0), backends(1, 1)
    assert weighed(some) == some[1:]
    assert weighed(none) == none
    assert weighed(one) is one


@pytest.mark.parametrize(
    ("weights", "expected"), [((1, 1, 1), [1, 1, 1]), ((5, 5), [1, 1]), ((2, 4, 6), [1, 2, 3]), ((0, 0), [1, 1]), ((), [])]
)
def test_shares_are_the_smallest_whole_numbers(weights: tuple[int, ...], expected: list[int]) -> None:
    assert list(shares(backends(*weights)).values()) == expected


@given(st.lists(st.integers(1, MOST * MOST), min_size=1, max_size=60))
def test_shares_are_bounded_and_in_proportion(weights: list[int]) -> None:
    asked = backends(*weights)
    given_ = shares(asked)
    total = sum(given_.values())
    assert set(given_) == set(asked)
    assert total <= MOST_SHARES + len(asked)
    assert all(count >= 1 for count in given_.values())
    for each, count in given_.items():
        wanted = Fraction(each.weight, sum(weights))
        assert abs(Fraction(count, total) - wanted) <= Fraction(2 + len(asked), MOST_SHARES)
