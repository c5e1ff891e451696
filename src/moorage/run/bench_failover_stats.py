"""What a client met in each trial -> figures of `moorage bench failover`."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from math import ceil

import msgspec

GOAL_P99 = 1.0
"""Seconds that a client may be without answers when a node dies or loses its cable. A drain or an upgrade may lose
nothing.
"""

BUCKETS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 5.0, 10.0)
"""Upper bounds in seconds; the first is for trials that lost nothing."""


class Fault(enum.Enum):
    """What happens to the node that answers for the address."""

    CRASH = "crash"
    """Every process is killed and every cable cut."""
    LINK = "link"
    """The cable to the clients is cut; everything runs, and the API is reached."""
    DRAIN = "drain"
    """It is marked as about to go, and then its agent is ended."""
    UPGRADE = "upgrade"
    """Its agent is ended and another started."""

    @property
    def is_graceful(self) -> bool:
        return self in (Fault.DRAIN, Fault.UPGRADE)


class Trial(msgspec.Struct, frozen=True):
    """`outage_s` is the longest time without answers, by the times of the requests; `lost_on_return` are requests that
    were lost when the node came back.
    """

    node: str
    asked: int
    lost: int
    outage_s: float
    lost_on_return: int = 0


class Bucket(msgspec.Struct, frozen=True):
    """Trials with an outage of up to so many seconds and above the bucket before; None is all above."""

    up_to_s: float | None
    count: int


class Report(msgspec.Struct, frozen=True):
    fault: Fault
    nodes: int
    rate: float
    trials: int
    asked: int
    lost: int
    lost_on_return: int
    p50_s: float
    p99_s: float
    max_s: float
    histogram: tuple[Bucket, ...]
    goal_p99_s: float
    met: bool
    each: tuple[Trial, ...]


def report(fault: Fault, nodes: int, rate: float, trials: Sequence[Trial]) -> Report:
    outages = sorted(each.outage_s for each in trials)
    lost, p99 = sum(each.lost for each in trials), at_quantile(outages, 0.99)
    goal = 0.0 if fault.is_graceful else GOAL_P99
    return Report(
        fault=fault,
        nodes=nodes,
        rate=rate,
        trials=len(trials),
        asked=sum(each.asked for each in trials),
        lost=lost,
        lost_on_return=sum(each.lost_on_return for each in trials),
        p50_s=at_quantile(outages, 0.5),
        p99_s=p99,
        max_s=outages[-1],
        histogram=histogram(outages),
        goal_p99_s=goal,
        met=lost == 0 if fault.is_graceful else p99 < goal,
        each=tuple(trials),
    )


def at_quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all is not above (nearest rank)."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def histogram(outages: Sequence[float]) -> tuple[Bucket, ...]:
    """Empty buckets at both ends are left out."""
    bounds: list[float | None] = [*BUCKETS, None]
    counts = [0] * len(bounds)
    for each in outages:
        counts[next((index for index, bound in enumerate(BUCKETS) if each <= bound), len(BUCKETS))] += 1
    filled = [index for index, count in enumerate(counts) if count]
    if not filled:
        return ()
    return tuple(Bucket(bounds[index], counts[index]) for index in range(filled[0], filled[-1] + 1))
