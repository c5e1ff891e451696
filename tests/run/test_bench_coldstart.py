"""`moorage bench coldstart` without a kernel: phases from a log, medians, who has met the goals, table and JSON."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from moorage.cli.bench_coldstart import as_json, table
from moorage.run.bench_coldstart_stats import (
    ColdStart,
    Goals,
    Middle,
    Phases,
    Report,
    WarmStart,
    goals_for,
    middle,
    phases,
)
from tests.run.terminal import shown

SPAWNED = datetime.fromisoformat("2026-01-01T00:00:00Z").timestamp()
LISTED = '{"services": 5, "ms": 800, "level": "info", "time": "2026-01-01T00:00:01.500000Z", "message": "listed"}'
APPLIED = '{"operations": 9, "ms": 500, "level": "info", "time": "2026-01-01T00:00:02.250000Z", "message": "applied"}'
LATER = '{"operations": 1, "ms": 3, "level": "info", "time": "2026-01-01T00:00:09.000000Z", "message": "applied"}'
PHASES = Phases(start_s=0.7, list_s=0.8, compile_s=0.25, install_s=0.5)

COLD = ColdStart(
    first_answer_s=2.2,
    last_answer_s=2.25,
    ready_s=2.3,
    cpu_s=2.0,
    rss_mb=180.0,
    peak_rss_mb=280.0,
    idle_cpu_percent=0.2,
    failed=0,
    phases=PHASES,
)

WARM = WarmStart(ready_s=1.0, cpu_s=0.9, asked=1000, failed=0, gap_s=0.15)
GOOD = Report(
    services=5000, endpoints=50, samples=50, load_s=9.0, runs=(COLD,), warm=WARM, goals=Goals(last_answer_s=2.5, rss_mb=200.0)
)


def changed(**more: float) -> Report:
    """The good report with another cold start in it."""
    return msgspec.structs.replace(GOOD, runs=(msgspec.structs.replace(COLD, **more),))


def test_phases_are_read_from_the_log() -> None:
    assert phases(["not json", LISTED, APPLIED, LATER], SPAWNED) == PHASES


@pytest.mark.parametrize("lines", [[], [LISTED], [APPLIED]])
def test_a_start_that_tells_no_phases(lines: list[str]) -> None:
    assert phases(lines, SPAWNED) is None


def test_the_middle_of_several_runs() -> None:
    assert middle([3.0, 1.0, 2.0]) == Middle(median=2.0, min=1.0, max=3.0)
    runs = tuple(msgspec.structs.replace(COLD, last_answer_s=each, phases=None) for each in (2.0, 2.4, 9.0))
    report = msgspec.structs.replace(GOOD, runs=runs)
    assert report.middle("last_answer_s") == Middle(2.4, 2.0, 9.0)
    assert report.phase("list_s") is None
    assert report.met, "one slow run does not move the median"


def test_seconds_for_100_000_endpoints() -> None:
    assert GOOD.per_100k_s == 0.9


@pytest.mark.parametrize("more", [{"last_answer_s": 2.51}, {"rss_mb": 200.1}, {"idle_cpu_percent": 1.1}, {"failed": 1}])
def test_each_goal_can_be_missed(more: dict[str, float]) -> None:
    assert GOOD.met
    assert not changed(**more).met


def test_no_connection_may_be_lost_when_the_agent_starts_again() -> None:
    assert not msgspec.structs.replace(GOOD, warm=msgspec.structs.replace(WARM, failed=1), goals=None).met


def test_goals_are_for_one_size() -> None:
    assert goals_for(5000, 50) == Goals()
    assert goals_for(50_000, 5) is None
    slow = msgspec.structs.replace(changed(last_answer_s=60.0), services=20_000, goals=None)
    assert slow.met


def test_json_has_medians_and_every_run() -> None:
    written = msgspec.json.decode(msgspec.json.encode(as_json(GOOD)))
    assert {
        "machine", "met", "services", "endpoints", "first_answer_s", "last_answer_s", "ready_s", "cpu_s", "rss_mb",
        "peak_rss_mb", "idle_cpu_percent", "phases", "s_per_100k_endpoints", "load_s", "runs", "warm", "goals",
    } <= written.keys()  # fmt: skip
    assert written["last_answer_s"] == 2.25
    assert written["phases"] == {"start_s": 0.7, "list_s": 0.8, "compile_s": 0.25, "install_s": 0.5}
    assert written["runs"][0]["rss_mb"] == 180.0
    assert written["goals"]["last_answer_s"] == 2.5


def test_the_table_fits_a_terminal() -> None:
    slow = msgspec.structs.replace(COLD, last_answer_s=12.25, ready_s=13.0, rss_mb=1180.0, phases=None)
    text = shown(table(msgspec.structs.replace(GOOD, runs=(COLD, slow))))
    assert "…" not in text
    assert "7.25 s (2.25 - 12.25)" in text
    assert "<= 2.5 s" in text
