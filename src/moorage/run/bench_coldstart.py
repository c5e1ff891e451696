"""`moorage bench coldstart`: from the start of the node agent, with a whole cluster to learn, to the answers of Services.

    load -> (probe asks -> agent starts on an empty kernel -> all answer -> memory, idle) x runs -> the agent starts again

A Pod asks Services all the time, from before the start: connections that nobody forwards yet end nowhere. It uses a few percent
of a processor; what it sees as the first answer is the answer, not the rules.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from moorage.run.bench_coldstart_stats import ColdStart, Report, WarmStart, goals_for, phases
from moorage.run.bench_lab import MOST_ASKED, BenchPlan, Fill, Sample
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_probe import probing

SAMPLES = 50
SETTLE = 2.0
"""Seconds after which the agent's memory is that of its rest."""
IDLE = 5.0
AFTERWARDS = 1.0
"""Seconds for which Services are asked after a warm start."""
MB = 1_000_000
_ENDPOINTS_A_SECOND = 10_000
"""A start that is slower than this has failed."""


async def bench_coldstart(
    services: int, endpoints: int, runs: int, step: Callable[[str], None], plan: BenchPlan | None = None
) -> Report:
    """Raises HostError where the lab cannot be made, or the agent does not start."""
    fill = Fill(services, endpoints, min(SAMPLES, services, MOST_ASKED // endpoints))
    limit = 30.0 + services * endpoints / _ENDPOINTS_A_SECOND
    step("starting a node, a client and backends")
    async with BenchLab(plan) as lab:
        step(f"creating {services} Services of {endpoints} endpoints")
        since = time.monotonic()
        samples = await lab.load(fill)
        load = time.monotonic() - since
        starts = []
        for number in range(runs):
            step(f"cold start {number + 1} of {runs}")
            lab.forget()
            starts.append(await cold(lab, samples, limit))
        step("warm start")
        warmed = await warm(lab, samples, limit)
    return Report(services, endpoints, len(samples), round(load, 1), tuple(starts), warmed, goals_for(services, endpoints))


async def cold(lab: BenchLab, samples: Sequence[Sample], limit: float) -> ColdStart:
    """The agent must not run, and runs no more afterwards; its rules stay."""
    agent, said = lab.agent, len(lab.agent.said())
    async with probing(lab, lab.inside, samples) as prober:
        spawned, since = time.time(), time.monotonic()
        ready = await agent.start(limit)
        await prober.answered(limit)
        cpu = agent.cpu_seconds()
        outcomes = await prober.outcomes()
    await asyncio.sleep(SETTLE)
    resident, idle = agent.resident_bytes(), agent.cpu_seconds()
    await asyncio.sleep(IDLE)
    idle, peak = agent.cpu_seconds() - idle, agent.peak_bytes()
    agent.stop()
    first = [each.first - since for each in outcomes if each.first is not None]
    return ColdStart(
        first_answer_s=round(min(first), 3),
        last_answer_s=round(max(first), 3),
        ready_s=round(ready, 3),
        cpu_s=round(cpu, 2),
        rss_mb=round(resident / MB, 1),
        peak_rss_mb=round(peak / MB, 1),
        idle_cpu_percent=round(100 * idle / IDLE, 2),
        failed=sum(each.failed for each in outcomes),
        phases=phases(agent.said(said), spawned),
    )


async def warm(lab: BenchLab, samples: Sequence[Sample], limit: float) -> WarmStart:
    """The agent has run before, and its rules are there."""
    async with probing(lab, lab.inside, samples) as prober:
        await prober.answered(limit)
        ready = await lab.agent.start(limit)
        cpu = lab.agent.cpu_seconds()
        await asyncio.sleep(AFTERWARDS)
        outcomes = await prober.outcomes()
    lab.agent.stop()
    return WarmStart(
        ready_s=round(ready, 3),
        cpu_s=round(cpu, 2),
        asked=sum(each.answered + each.failed for each in outcomes),
        failed=sum(each.failed for each in outcomes),
        gap_s=round(max(each.gap for each in outcomes), 3),
    )
