"""`moorage bench coldstart`, small: a start from nothing and one with everything in place, seen by who asks."""

from __future__ import annotations

import asyncio

import pytest

from moorage.lab import netns_io
from moorage.run import bench_coldstart
from moorage.run.bench_coldstart_stats import Phases
from moorage.run.bench_lab import BenchPlan
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


def test_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_coldstart, "IDLE", 0.5)
    plan, steps = BenchPlan(unique_instance("cold")), list[str]()
    report = asyncio.run(bench_coldstart.bench_coldstart(20, 3, 2, steps.append, plan))
    assert len(steps) == 5
    assert (report.services, report.endpoints, report.samples, len(report.runs)) == (20, 3, 20, 2)
    for each in report.runs:
        assert 0 < each.first_answer_s <= each.last_answer_s < 10
        assert each.last_answer_s < each.ready_s + 1
        assert 0 < each.cpu_s < 10
        assert 10 < each.rss_mb <= each.peak_rss_mb < 200
        assert each.idle_cpu_percent < 50
        assert each.failed == 0
        assert isinstance(each.phases, Phases)
        told = sum(getattr(each.phases, name) for name in Phases.__struct_fields__)
        assert abs(told - each.first_answer_s) < 0.5, "the phases are all there is"
    assert 0 < report.warm.ready_s < 10
    assert report.warm.asked > 20
    assert report.warm.failed == 0
    assert report.met
    assert not set(plan.namespaces) & set(netns_io.names())
