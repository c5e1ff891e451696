from __future__ import annotations

import pytest

from moorage.cli.bench_failover import as_json, bars
from moorage.run.bench_failover_stats import Bucket, Fault, Trial, at_quantile, histogram, report


def trials(*outages: float, lost: int = 1) -> list[Trial]:
    return [Trial("node-1", 1000, lost if each else 0, each) for each in outages]


def test_quantiles_are_values_that_were_met() -> None:
    values = [number / 100 for number in range(1, 101)]
    assert (at_quantile(values, 0.5), at_quantile(values, 0.99), at_quantile(values, 1.0)) == (0.5, 0.99, 1.0)
    assert at_quantile([0.4], 0.99) == 0.4


def test_the_histogram_has_every_trial() -> None:
    assert histogram([0.0, 0.41, 0.5, 0.72, 60.0])[:3] == (Bucket(0.0, 1), Bucket(0.1, 0), Bucket(0.2, 0))
    assert histogram([0.41, 0.5, 0.52]) == (Bucket(0.5, 2), Bucket(0.6, 1))
    assert sum(each.count for each in histogram([0.0, 0.41, 0.5, 0.72, 60.0])) == 5


@pytest.mark.parametrize(
    ("fault", "outages", "met"),
    [
        (Fault.CRASH, [0.45, 0.5, 0.99], True),
        (Fault.CRASH, [0.45, 0.5, 1.2], False),
        (Fault.LINK, [0.6], True),
        (Fault.DRAIN, [0.0, 0.0], True),
        (Fault.UPGRADE, [0.0, 0.002], False),
    ],
)
def test_goals(fault: Fault, outages: list[float], met: bool) -> None:
    assert report(fault, 3, 1000.0, trials(*outages)).met is met


def test_what_is_printed() -> None:
    made = report(Fault.CRASH, 3, 1000.0, trials(0.45, 0.47, 0.52))
    assert {"trials": 3, "p50_s": 0.47, "p99_s": 0.52, "max_s": 0.52, "fault": "crash"}.items() <= as_json(made).items()
    assert [each.split() for each in bars(made)] == [["<=", "0.5", "s", "2", "#" * 40], ["<=", "0.6", "s", "1", "#" * 20]]
