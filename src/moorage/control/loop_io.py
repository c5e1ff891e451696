"""Runs controllers: mirror -> reconcile -> perform, each controller at its own pace.

A controller that fails or whose writes are refused is tried again after a pause that doubles; the others do not notice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from moorage.client.notes import Notes
from moorage.client.perform_io import Failure, perform
from moorage.control.types import Controller
from moorage.model.ports import Client
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Note, Verb

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
"""Seconds between a failure and the next attempt."""

log = structlog.get_logger()


class Mirror(Protocol):
    """What a loop needs of `client.mirror_io.Mirror`."""

    async def next(self) -> tuple[Snapshot, Changes]: ...


async def run_controllers(
    controllers: Iterable[Controller],
    mirror: Mirror,
    client: Client,
    clock: Callable[[], float] = time.time,
    first_pause: float = FIRST_PAUSE,
) -> None:
    """Controls until cancelled. `clock` gives seconds since the epoch. The mirror follows every kind that is wanted."""
    runners = [_Runner(each, client, clock, first_pause) for each in controllers]
    async with asyncio.TaskGroup() as tasks:
        for runner in runners:
            tasks.create_task(runner.run(), name=runner.name)
        while True:
            snapshot, changes = await mirror.next()
            for runner in runners:
                runner.offer(snapshot, changes)


class _Runner:
    """One controller: what it has not seen yet, when it wants to look again, and what went wrong."""

    def __init__(self, controller: Controller, client: Client, clock: Callable[[], float], first_pause: float) -> None:
        self.name = controller.name
        self._controller = controller
        self._client = client
        self._clock = clock
        self._first_pause = first_pause
        self._notes = Notes()
        self._snapshot = Snapshot()
        self._changes = Changes()
        self._news = asyncio.Event()
        self._wake_at: float | None = None
        self._lost: list[Verb] = []
        self._retry_at: float | None = None
        self._pauses = 0
        self._trouble = ""
        self._log = log.bind(controller=controller.name)

    def offer(self, snapshot: Snapshot, changes: Changes) -> None:
        """The newest state; changes add up until the controller looks."""
        self._snapshot = snapshot
        wanted = {type_: keys for type_ in self._controller.wants if (keys := changes.of(type_))}
        if wanted or changes.everything:
            self._changes = self._changes.merged(Changes(wanted, changes.everything))
            self._news.set()

    async def run(self) -> None:
        while True:
            await self._until_due()
            try:
                await self._turn()
            except Exception as error:  # whatever it is: it is said, and the other controllers go on
                self._log.exception("the controller failed and starts over", error=str(error))
                self._changes = Changes(everything=True)
                await asyncio.sleep(self._next_pause())
                self._news.set()

    async def _until_due(self) -> None:
        """Waits for news, for the time the controller asked to be woken, or for the next attempt at what failed."""
        times = [each for each in (self._wake_at, self._retry_at) if each is not None]
        try:
            async with asyncio.timeout(max(0.0, min(times) - self._clock()) if times else None):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _turn(self) -> None:
        self._news.clear()
        changes, self._changes = self._changes, Changes()
        now = self._clock()
        if self._retry_at is not None and now >= self._retry_at:
            lost, self._lost, self._retry_at = self._lost, [], None
            self._controller.failed(lost)
        plan = self._controller.reconcile(self._snapshot, changes, now)
        self._wake_at = plan.wake_at
        if plan.verbs:
            self._judge(await perform(self._client, plan.verbs, self.name, self._clock, self._notes))

    def _judge(self, failures: Sequence[Failure]) -> None:
        """Keeps what is to be tried again. An event that was refused is only logged: it told what happened, it did nothing."""
        for failure in failures:
            if failure.message != self._trouble:
                self._log.warning("a write was refused", error=failure.message, verb=type(failure.verb).__name__)
            self._trouble = failure.message
        lost = [each.verb for each in failures if not isinstance(each.verb, Note)]
        self._lost += lost
        if lost:
            self._retry_at = self._clock() + max(self._next_pause(), *(each.after for each in failures))
        elif not self._lost:
            self._pauses, self._trouble = 0, ""

    def _next_pause(self) -> float:
        """Seconds; twice the one before, up to the longest."""
        pause = self._first_pause * 2.0**self._pauses
        self._pauses = self._pauses + 1 if pause < LONGEST_PAUSE else self._pauses
        return min(pause, LONGEST_PAUSE)
