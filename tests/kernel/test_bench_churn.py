"""`moorage bench churn`, short: changes are written and followed, and nothing is left of it when it is told to end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from moorage.lab import netns_io
from moorage.run.bench_churn import Churn, bench_churn
from moorage.run.bench_lab import BenchPlan
from tests.kernel.ends import ends_and_leaves_nothing
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


def test_a_small_run() -> None:
    plan, steps = BenchPlan(unique_instance("churn")), list[str]()
    report = asyncio.run(bench_churn(Churn(rate=50, seconds=2, services=20, endpoints=3), steps.append, plan))
    assert len(steps) == 4
    assert report.written.done == 100
    assert (report.written.refused, report.written.refusal) == (0, "")
    assert 1.98 <= report.written.seconds < 30
    assert report.lag.count >= 1
    assert 0 <= report.lag.p50 <= report.lag.max < 10_000
    usage = report.usage
    assert 0 < usage.agent_cpu_percent <= usage.all_cpu_percent
    assert usage.server_cpu_percent > 0
    assert usage.agent_rss_mb > 10
    assert not set(plan.namespaces) & set(netns_io.names())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_told_to_end(number: signal.Signals) -> None:
    ends_and_leaves_nothing(number, ("churn", "--services", "20", "--endpoints", "3", "--seconds", "60"), _writers)


def _writers(plan: BenchPlan, pid: int) -> list[str]:
    """The writers among the children of that process."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = (each / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(pid) and b"bench_churn_load_io" in (each / "cmdline").read_bytes():
                found.append(each.name)
        except OSError:
            continue
    return found
