"""`moorage bench update`, small: each change comes through, in a cluster with Services and in one without."""

from __future__ import annotations

import asyncio

import pytest

from moorage.lab import netns_io
from moorage.model.errors import HostError
from moorage.run import bench_packet_io
from moorage.run.bench_change import ChangingService
from moorage.run.bench_lab import BenchPlan
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_update import bench_update
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


def test_a_small_run() -> None:
    plan, steps = BenchPlan(unique_instance("update")), list[str]()
    report = asyncio.run(bench_update(20, 3, 5, steps.append, plan))
    assert len(steps) == 4
    for each in (report.full, report.empty):
        assert each.lag.count == each.write.count == 5
        assert 0 <= each.lag.p50 <= each.lag.max < 1000
        assert each.write.p50 > 0
    assert report.met
    assert not {each for each in netns_io.names() if each.startswith(plan.instance)}


def test_packets_that_reach_old_backends_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with BenchLab(BenchPlan(unique_instance("update"))) as lab:
            await lab.agent.start()
            changing = ChangingService(lab, endpoints=2)
            await changing.open()
            lab.agent.kill()
            monkeypatch.setattr(bench_packet_io, "LIMIT", 0.5)
            await changing.change()

    with pytest.raises(HostError, match="was not reached within"):
        asyncio.run(story())
