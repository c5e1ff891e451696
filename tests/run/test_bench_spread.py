"""Percentiles, in milliseconds."""

from __future__ import annotations

from moorage.run.bench_spread import Spread, percentile, spread


def test_spread_is_in_milliseconds_by_nearest_rank() -> None:
    assert spread([0.001 * n for n in range(100, 0, -1)]) == Spread(count=100, p50=50.0, p90=90.0, p99=99.0, max=100.0)
    assert spread([1.0]) == Spread(1, 1000.0, 1000.0, 1000.0, 1000.0)


def test_nothing_was_measured() -> None:
    assert spread([]) == Spread(0, 0.0, 0.0, 0.0, 0.0)
    assert percentile([], 0.5) == 0.0
