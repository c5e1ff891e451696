"""Many measured times -> the few numbers that are reported."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds. All are 0 where nothing was measured."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


def spread(seconds: Sequence[float]) -> Spread:
    return Spread(len(seconds), *(percentile(seconds, part) for part in (0.5, 0.9, 0.99, 1.0)))


def percentile(seconds: Sequence[float], part: float) -> float:
    """By nearest rank, in milliseconds with two decimals; 0 where there is none."""
    ordered = sorted(seconds)
    return round(1e3 * ordered[max(0, ceil(part * len(ordered)) - 1)], 2) if ordered else 0.0
