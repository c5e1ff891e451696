from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

from moorage.announce.repeats import EVERY, FIRST, Repeats

A, B = ip_address("192.0.2.1"), ip_address("2001:db8::1")


def told(repeats: Repeats, until: float) -> list[float]:
    found, at = [], 0.0
    while at <= until:
        found += [round(at, 3)] * len(repeats.due(at, 10))
        at = round(at + 0.01, 3)
    return found


def test_at_once_soon_after_and_now_and_then() -> None:
    repeats = Repeats()
    assert repeats.hold([A], 0.0) == (frozenset({A}), frozenset())
    times = told(repeats, 80.0)
    assert tuple(times[: len(FIRST)]) == FIRST
    assert all(EVERY <= later - before <= 1.25 * EVERY + 0.02 for before, later in pairwise(times[3:]))
    assert len(times) >= len(FIRST) + 2


def test_what_is_no_longer_held_is_not_told() -> None:
    repeats = Repeats()
    repeats.hold([A, B], 0.0)
    assert repeats.hold([B], 0.0) == (frozenset(), frozenset({A}))
    assert repeats.due(0.0, 10) == [B]


def test_from_the_start_when_somebody_contradicts() -> None:
    repeats = Repeats()
    repeats.hold([A], 0.0)
    told(repeats, 1.0)
    repeats.again(A, 5.0)
    assert repeats.due(5.0, 10) == [A]


def test_many_are_told_in_parts() -> None:
    repeats = Repeats()
    repeats.hold([ip_address(f"192.0.2.{number}") for number in range(10)], 0.0)
    assert [len(repeats.due(0.0, 4)) for _ in range(4)] == [4, 4, 2, 0]
