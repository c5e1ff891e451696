"""The program `bench_probe_io.py` in a namespace of the lab, seen from the benchmark that needs it.

async with probing(lab, namespace, samples) as prober:    it asks all of them already
    await prober.answered(30.0)                           each has answered
    outcomes = await prober.outcomes()                    when each did first, and what came after that
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from moorage.run.bench_lab import PORT, Sample
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_probe_io import Outcome, Target
from moorage.run.bench_program import Program, program

PROGRAM = (sys.executable, "-m", "moorage.run.bench_probe_io")
WORD_SECONDS = 10.0


class Prober:
    """Raises HostError where the Services do not answer in time."""

    def __init__(self, running: Program) -> None:
        self._running = running

    async def answered(self, seconds: float) -> None:
        """Returns once each has answered."""
        await self._running.hear("answered", seconds)

    async def outcomes(self) -> list[Outcome]:
        """In the order of the samples. It asks no more."""
        return await self._running.figures(list[Outcome], WORD_SECONDS)


@asynccontextmanager
async def probing(lab: BenchLab, namespace: str, samples: Sequence[Sample]) -> AsyncIterator[Prober]:
    """Asks until the end of the block."""
    targets = [Target(each.cluster_ip, PORT, frozenset(each.backends)) for each in samples]
    async with program("the program that asks Services", lab.command(namespace, PROGRAM), targets) as running:
        await running.hear("asking", WORD_SECONDS)
        yield Prober(running)
