"""The roles of a standalone system as processes on machines of the lab: started, watched, started again when they die."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from moorage.lab.launch import machine_entry
from moorage.lab.plan import LabPlan
from moorage.lab.processes_io import Process, Wish, spawn

FIRST_PAUSE = 0.2
LAST_PAUSE = 10.0
STEADY = 30.0
"""Seconds that a role must have run for its next end to count as the first."""
GRACE = 3.0
DEATHS = 2
"""A role that ends so often before it was ever ready is given up: something is wrong that time does not mend."""

log = structlog.get_logger()


class Role(msgspec.Struct, frozen=True):
    """One process of the system: `moorage ARGUMENTS` on `machine`, its output in `logs/NAME.log`."""

    name: str
    machine: str
    arguments: tuple[str, ...]
    inherit: tuple[int, ...] = ()


class RoleRunner:
    """Keeps one role running until `stop`. Death is answered with a new start, after 0.2 s doubling to 10 s."""

    def __init__(self, plan: LabPlan, role: Role) -> None:
        self._plan = plan
        self.role = role
        self.deaths = 0
        """How often it ended on its own, since the last time it ran for long."""
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.exit_code is None else None

    async def start(self) -> None:
        """Returns once the process runs. Raises HostError where it cannot be started at all."""
        self._process = await spawn(self._wish())
        self._task = asyncio.create_task(self._keep_running(self._process), name=f"role {self.role.name}")

    async def stop(self, grace: float = GRACE) -> None:
        """Ends it: SIGTERM, then SIGKILL after `grace` seconds; 0 kills at once, as a power cut does."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._process is not None:
            if grace <= 0:
                self._process.kill()
            await self._process.terminate(max(grace, 0.01))
            self._process = None

    async def _keep_running(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            since = loop.time()
            code = await process.wait()
            if loop.time() - since > STEADY:
                pause, self.deaths = FIRST_PAUSE, 0
            self.deaths += 1
            log.error("a role ended; it is started again", role=self.role.name, exit_code=code, after_s=pause)
            await asyncio.sleep(pause)
            pause = min(LAST_PAUSE, pause * 2)
            self._process = process = await spawn(self._wish())

    def _wish(self) -> Wish:
        return Wish(
            entry=machine_entry(self._plan, self.role.machine),
            command=(sys.executable, "-m", "moorage", *self.role.arguments, "--log-format", "json"),
            environment={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": "/", "LANG": "C.UTF-8"},
            log=str(Path(self._plan.state) / "logs" / f"{self.role.name}.log"),
            inherit=self.role.inherit,
        )


def log_tail(plan: LabPlan, role: str, lines: int = 5) -> str:
    """The end of a role's log, for the message about why it did not come up."""
    path = Path(plan.state) / "logs" / f"{role}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


async def stop_all(runners: Sequence[RoleRunner], grace: float = GRACE) -> None:
    await asyncio.gather(*(each.stop(grace) for each in runners))
