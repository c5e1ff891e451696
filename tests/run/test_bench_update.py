"""`moorage bench update` without a kernel: spreads, ratio, who has met the goals, table and JSON."""

from __future__ import annotations

import msgspec
import pytest

from moorage.cli.bench_update import as_json, table
from moorage.run.bench_change import Change
from moorage.run.bench_update_stats import Report, report
from tests.run.terminal import shown


def changes(lag: float, slowest: float) -> list[Change]:
    """A hundred, of which two are the slowest."""
    return [Change(write=0.004, lag=lag)] * 98 + [Change(0.004, slowest)] * 2


def good() -> Report:
    return report(5000, 50, changes(0.009, 0.025), changes(0.006, 0.02))


def test_each_goal_can_be_missed() -> None:
    assert good().met
    assert good().ratio == 1.5
    assert not report(5000, 50, changes(0.0101, 0.025), changes(0.006, 0.02)).met
    assert not report(5000, 50, changes(0.009, 0.031), changes(0.006, 0.02)).met
    assert not report(5000, 50, changes(0.009, 0.025), changes(0.004, 0.02)).met


@pytest.mark.parametrize("size", [(100, 50), (50_000, 5)])
def test_goals_are_for_one_size(size: tuple[int, int]) -> None:
    found = report(*size, changes(1.0, 2.0), changes(0.1, 0.2))
    assert found.goals is None
    assert found.met


def test_a_first_packet_that_took_no_time_gives_no_ratio() -> None:
    assert report(1, 1, changes(0.001, 0.001), changes(0.0, 0.0)).ratio == 0.0


def test_json() -> None:
    written = msgspec.json.decode(msgspec.json.encode(as_json(good())))
    assert {"machine", "unit", "met", "ratio", "services", "endpoints", "full", "empty", "goals"} <= written.keys()
    assert written["full"]["lag"] == {"count": 100, "p50": 9.0, "p90": 9.0, "p99": 25.0, "max": 25.0}
    assert written["empty"]["write"]["p50"] == 4.0


def test_the_table_fits_a_terminal() -> None:
    text = shown(table(report(5000, 50, changes(1.234, 9.876), changes(0.006, 0.02))))
    assert "…" not in text
    assert "1234.0 ms" in text
