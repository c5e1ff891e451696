"""`moorage bench churn`, short: changes are written and followed, and nothing is left of it when it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moorage.lab import netns_io
from moorage.run.bench_churn import Churn, bench_churn
from moorage.run.bench_lab import BenchPlan
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
    """SIGINT goes to all processes of the terminal, as Ctrl-C sends it."""
    command = (sys.executable, "-m", "moorage", "bench", "churn", "--services", "20", "--endpoints", "3", "--seconds", "60")
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    plan = BenchPlan(f"bench-{running.pid}")
    limit = time.monotonic() + 60
    while not _writers(running.pid) and time.monotonic() < limit:
        assert running.poll() is None
        time.sleep(0.05)
    assert _writers(running.pid), "it is at work"
    if number is signal.SIGINT:
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert b"Traceback" not in errors
    assert not set(plan.namespaces) & set(netns_io.names())
    assert not _writers(running.pid)


def _writers(pid: int) -> list[str]:
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
