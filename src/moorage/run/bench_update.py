"""`moorage bench update`: from the API's answer to the first good packet, in a full cluster and in an almost empty one.

Two labs stand side by side, each with its own API server, node agent and namespaces. One change at a time, now here and now
there, so that whatever else goes on in the machine meets both alike. Between two changes the agents come to rest. The
second lab is the instance `bench-PID-empty`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.run.bench_change import Change, ChangingService
from moorage.run.bench_lab import BenchPlan, Fill
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_update_stats import Report, report

PAUSE = 0.15
"""Seconds. An agent forgets the tracked flows of a change 0.05 s after it, and is busy with that for a while."""


async def bench_update(
    services: int, endpoints: int, changes: int, step: Callable[[str], None], plan: BenchPlan | None = None
) -> Report:
    """Raises HostError where a lab cannot be made, or a change does not come through."""
    plan = plan or BenchPlan.of_this_process()
    step("starting two nodes, their clients and backends")
    async with BenchLab(plan) as full, BenchLab(BenchPlan(f"{plan.instance}-empty")) as empty:
        step(f"creating {services} Services of {endpoints} endpoints")
        await full.load(Fill(services, endpoints, samples=0))
        step("starting two node agents")
        sides: dict[ChangingService, list[Change]] = {}
        for lab in (full, empty):
            await lab.agent.start()
            changing = ChangingService(lab, endpoints)
            await changing.open()
            sides[changing] = []
        step(f"changing an EndpointSlice {changes} times here and there")
        for _ in range(changes):
            for changing, measured in sides.items():
                await asyncio.sleep(PAUSE)
                measured.append(await changing.change())
    return report(services, endpoints, *sides.values())
