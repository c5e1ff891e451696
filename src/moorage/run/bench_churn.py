"""`moorage bench churn`: endpoints change all the time, and a change of one more Service is followed through the kernel.

    writer --- so many PUTs of EndpointSlices a second ---> API server ---> node agent
    here   --- a PUT of one more slice, four times a second, until a packet reaches its new backend

The writer is a process of its own on the node. The API server, the agent, the writer and who asks share the machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

import msgspec

from moorage.run.bench_change import ChangingService
from moorage.run.bench_churn_stats import Orders, Report, Usage, Written, report
from moorage.run.bench_lab import BenchPlan, Fill
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_program import Program, program
from moorage.run.child_process import busy_seconds

PROGRAM = (sys.executable, "-m", "moorage.run.bench_churn_load_io")
READY_SECONDS = 30.0
GRACE = 30.0
"""Seconds that late writes have after the last one was due."""
PAUSE = 0.25
"""Seconds between two changes that are followed."""
MB = 1_000_000


class Churn(msgspec.Struct, frozen=True):
    """What to do: `rate` changes a second for `seconds`, among `services` Services of `endpoints` endpoints."""

    rate: float
    seconds: float
    services: int
    endpoints: int


async def bench_churn(churn: Churn, step: Callable[[str], None], plan: BenchPlan | None = None) -> Report:
    """Raises HostError where the lab cannot be made, or a change that is followed does not come through."""
    step("starting a node, its client and backends")
    async with BenchLab(plan) as lab:
        step(f"creating {churn.services} Services of {churn.endpoints} endpoints")
        await lab.load(Fill(churn.services, churn.endpoints, samples=0))
        step("starting the node agent")
        await lab.agent.start()
        changing = ChangingService(lab, churn.endpoints)
        await changing.open()
        step(f"changing {churn.rate:.0f} endpoints a second for {churn.seconds:.0f} s")
        orders = Orders(str(lab.server.kubeconfig), **msgspec.structs.asdict(churn))
        async with program("the writer", lab.command(lab.node, PROGRAM), orders) as writer:
            await writer.hear("ready", READY_SECONDS)
            return await measure(lab, orders, writer, changing)


async def measure(lab: BenchLab, orders: Orders, writer: Program, changing: ChangingService) -> Report:
    used = {
        "agent_cpu_percent": Used(lab.agent.cpu_seconds),
        "server_cpu_percent": Used(lab.server.cpu_seconds),
        "asker_cpu_percent": Used(time.process_time),
        "all_cpu_percent": Used(busy_seconds),
    }
    before, lags = lab.agent.resident_bytes(), list[float]()
    writing = asyncio.create_task(writer.figures(Written, orders.seconds + GRACE))
    try:
        while not writing.done():
            lags.append((await changing.change()).lag)
            await asyncio.sleep(PAUSE)
    finally:
        writing.cancel()
    written = writing.result()
    usage = Usage(
        **{name: each.percent() for name, each in used.items()},
        processors=os.cpu_count() or 1,
        writer_cpu_percent=round(100 * written.cpu_s / written.seconds, 1),
        agent_rss_before_mb=round(before / MB, 1),
        agent_rss_mb=round(lab.agent.resident_bytes() / MB, 1),
        server_rss_mb=round(lab.server.resident_bytes() / MB, 1),
    )
    return report(orders, written, lags, usage)


class Used:
    """Processor time from now on. `clock` gives that which is used so far, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._before, self._since = clock(), time.monotonic()

    def percent(self) -> float:
        """Of one processor, until now."""
        return round(100 * (self._clock() - self._before) / (time.monotonic() - self._since), 1)
