"""What the writer of `moorage bench churn` is told and what it has seen, and the changes made meanwhile -> the report."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.run.bench_spread import Spread, spread

SUSTAINED = 0.99
"""Of the rate that was asked for."""
GROWN, GROWN_BY_MS = 2.0, 50.0
"""The lag grows where that of the last third is more than twice that of the first, and 50 ms."""


class Goals(msgspec.Struct, frozen=True):
    """At most this; the rate is sustained, and the lag does not grow."""

    lag_p99_ms: float = 1000.0


class Orders(msgspec.Struct, frozen=True):
    """What the writer does: changes of slices of so many Services `web-N`, at `rate` a second for `seconds`."""

    kubeconfig: str
    rate: float
    seconds: float
    services: int
    endpoints: int

    @property
    def writes(self) -> int:
        return max(1, round(self.rate * self.seconds))


class Written(msgspec.Struct, frozen=True):
    """`late_s`: by how much the latest write was late. `write` is what the answered ones took, `cpu_s` the writer's own."""

    done: int
    refused: int
    refusal: str
    seconds: float
    late_s: float
    cpu_s: float
    write: Spread

    @property
    def rate(self) -> float:
        return round(self.done / self.seconds, 1) if self.seconds else 0.0


class Usage(msgspec.Struct, frozen=True):
    """During the churn: percent of one processor, and memory in 10^6 bytes before and at the end. `asker` is this
    process, `all` the whole machine with whatever else runs on it, `processors` what it has.
    """

    processors: int
    agent_cpu_percent: float
    server_cpu_percent: float
    writer_cpu_percent: float
    asker_cpu_percent: float
    all_cpu_percent: float
    agent_rss_before_mb: float
    agent_rss_mb: float
    server_rss_mb: float


class Report(msgspec.Struct, frozen=True):
    """`lag`: from the API's answer to a change of one more Service to the first good packet; `first` and `last` those of the
    first and last third.
    """

    services: int
    endpoints: int
    rate: float
    written: Written
    lag: Spread
    first: Spread
    last: Spread
    usage: Usage
    goals: Goals = Goals()

    @property
    def sustained(self) -> bool:
        return self.written.rate >= SUSTAINED * self.rate and not self.written.refused

    @property
    def bounded(self) -> bool:
        return self.last.p50 <= GROWN * self.first.p50 + GROWN_BY_MS

    @property
    def met(self) -> bool:
        return self.sustained and self.bounded and self.lag.p99 <= self.goals.lag_p99_ms


def report(orders: Orders, written: Written, lags: Sequence[float], usage: Usage) -> Report:
    """`lags` in the order in which they were measured, in seconds."""
    third = max(1, len(lags) // 3)
    return Report(
        services=orders.services,
        endpoints=orders.endpoints,
        rate=orders.rate,
        written=written,
        lag=spread(lags),
        first=spread(lags[:third]),
        last=spread(lags[-third:]),
        usage=usage,
    )
