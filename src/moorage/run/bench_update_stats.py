"""What `moorage bench update` has measured -> the figures that are reported."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.run.bench_change import Change
from moorage.run.bench_lab import JUDGED
from moorage.run.bench_spread import Spread, spread


class Goals(msgspec.Struct, frozen=True):
    """At most these. `ratio` is that of a full cluster to an almost empty one."""

    p50_ms: float = 10.0
    p99_ms: float = 30.0
    ratio: float = 2.0


class Side(msgspec.Struct, frozen=True):
    """One cluster: how long the API server took for the changes, and from its answer to the first good packet."""

    write: Spread
    lag: Spread


class Report(msgspec.Struct, frozen=True):
    """`full` has `services` Services more than `empty`. `goals` are None for other sizes than the one they are for."""

    services: int
    endpoints: int
    full: Side
    empty: Side
    goals: Goals | None

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return round(self.full.lag.p50 / self.empty.lag.p50, 2) if self.empty.lag.p50 else 0.0

    @property
    def met(self) -> bool:
        goals, lag = self.goals, self.full.lag
        return goals is None or (lag.p50 <= goals.p50_ms and lag.p99 <= goals.p99_ms and self.ratio <= goals.ratio)


def side(changes: Sequence[Change]) -> Side:
    return Side(spread([each.write for each in changes]), spread([each.lag for each in changes]))


def report(services: int, endpoints: int, full: Sequence[Change], empty: Sequence[Change]) -> Report:
    goals = Goals() if (services, endpoints) == JUDGED else None
    return Report(services, endpoints, side(full), side(empty), goals)
