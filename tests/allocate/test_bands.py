"""The choice of a free number: upper part first, the band last, None when full."""

from __future__ import annotations

from random import Random

import pytest

from moorage.allocate.bands import choose


@pytest.mark.parametrize("seed", range(20))
def test_the_band_is_used_only_when_the_rest_is_full(seed: int) -> None:
    random = Random(seed)
    taken: set[int] = set()
    order = []
    while (number := choose(40, 16, lambda each: each not in taken, random)) is not None:
        taken.add(number)
        order.append(number)
    assert sorted(order[:24]) == list(range(16, 40))
    assert sorted(order[24:]) == list(range(16))


def test_a_full_range_gives_nothing() -> None:
    assert choose(0, 0, lambda _: True, Random(1)) is None
    assert choose(5, 2, lambda _: False, Random(1)) is None


def test_a_band_as_large_as_the_range_still_gives_all() -> None:
    assert choose(1, 16, lambda _: True, Random(1)) == 0


def test_choices_are_spread() -> None:
    random = Random(7)
    seen = {choose(1000, 16, lambda _: True, random) for _ in range(200)}
    assert len(seen) > 150
