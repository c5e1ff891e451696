"""The lab for benchmarks of the node agent: filled through the API, served by the real agent, which stops and starts again."""

from __future__ import annotations

import asyncio

import pytest

from moorage.lab import netns_io
from moorage.model.errors import HostError
from moorage.run import bench_lab_io
from moorage.run.bench_lab import INSIDE_ADDRESS, PORT, BenchPlan, Fill
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_packet_io import first_good_packet
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


def test_a_life_of_the_agent() -> None:
    async def story(plan: BenchPlan) -> None:
        async with BenchLab(plan) as lab:
            samples = await lab.load(Fill(services=30, endpoints=4))
            assert [each.key.name for each in samples] == ["web-0", "web-21", "web-9"]
            assert 0 < await lab.agent.start() < 30
            assert 0 < lab.agent.resident_bytes() <= lab.agent.peak_bytes()
            assert lab.agent.cpu_seconds() > 0
            for each in samples:
                source, own = (await lab.reach(lab.inside, each.cluster_ip, PORT)).split()
                assert source == str(INSIDE_ADDRESS)
                assert own in each.backends
                assert first_good_packet((lab.inside, lab.node), each.cluster_ip, PORT) < 5
            assert lab.agent.stop() == 0
            assert not lab.agent.runs
            await lab.reach(lab.inside, samples[1].cluster_ip, PORT)
            await lab.agent.start()
            lab.agent.kill()
            lab.forget()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(bench_lab_io, "REACH_SECONDS", 0.5)
                with pytest.raises(HostError, match="was not reached"):
                    await lab.reach(lab.inside, samples[1].cluster_ip, PORT)
            await lab.agent.start()
            await lab.reach(lab.inside, samples[2].cluster_ip, PORT)

    plan = BenchPlan(unique_instance("lab"))
    asyncio.run(story(plan))
    assert not set(plan.namespaces) & set(netns_io.names())


def test_what_stands_in_the_way_is_named_and_nothing_is_left() -> None:
    plan = BenchPlan(unique_instance("lab"))
    netns_io.create(plan.backends)

    async def story() -> None:
        async with BenchLab(plan):
            raise AssertionError

    with pytest.raises(HostError, match="exists already"):
        asyncio.run(story())
    assert not set(plan.namespaces) & set(netns_io.names())
