"""Work that one of several equal processes does: started when this one leads, stopped when it does not.

A leader that loses its Lease stops its work at once and stays on as a candidate; when it leads again its work starts from
nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from moorage.client.fenced import FencedClient
from moorage.client.notes import Notes
from moorage.client.notes_io import post
from moorage.control.election import Candidate, Look, Put, Step, Wait
from moorage.model.cluster import Lease
from moorage.model.errors import ApiError, HostError
from moorage.model.ports import Client
from moorage.model.reason import Reason
from moorage.model.verbs import Note

COMPONENT = "moorage-controller"

RELEASE_SECONDS = 3.0
"""For giving the Lease up at the end; a Pod that is deleted has 30."""

Work = Callable[[Client], Awaitable[None]]

log = structlog.get_logger()


def boot_time() -> float:
    """Seconds on a clock that also runs while the machine sleeps: a leader that wakes up must know that its time is over."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """`clock` is monotonic, `wall` gives seconds since the epoch, `chance` a number in [0, 1)."""

    def __init__(
        self,
        client: Client,
        candidate: Candidate,
        clock: Callable[[], float] = boot_time,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.candidate = candidate
        self.heard: float | None = None
        """When the API server last answered, on `clock`."""
        self._client = client
        self._clock = clock
        self._wall = wall
        self._chance = chance
        self._renewed = asyncio.Event()
        self._trouble = ""

    @property
    def leads(self) -> bool:
        return self.candidate.remaining(self._clock()) > 0

    @property
    def silent_for(self) -> float:
        """Seconds since the API server last answered; endless where it never did."""
        return self._clock() - self.heard if self.heard is not None else float("inf")

    async def run(self, work: Work) -> None:
        """Does `work` while it leads, until cancelled; then gives the Lease up. `work` gets a client that writes only while
        this process leads. What `work` raises ends it all.
        """
        campaign = asyncio.create_task(self._campaign(), name="leader election")
        try:
            while True:
                await self._until_elected(campaign)
                await self._lead(work, campaign)
        finally:
            campaign.cancel()
            await asyncio.wait([campaign])
            await self._release()

    async def _until_elected(self, campaign: asyncio.Task[None]) -> None:
        while not self.leads:
            self._renewed.clear()
            renewed = asyncio.create_task(self._renewed.wait())
            try:
                await _any(renewed, campaign)
            finally:
                renewed.cancel()

    async def _lead(self, work: Work, campaign: asyncio.Task[None]) -> None:
        identity = self.candidate.identity
        log.info("leads", reason=Reason.LEADER_ELECTED.value, identity=identity)
        working = asyncio.ensure_future(work(FencedClient(self._client, lambda: self.leads)))
        telling = asyncio.create_task(self._tell(f"{identity} became leader"))
        try:
            while not working.done() and (remaining := self.candidate.remaining(self._clock())) > 0:
                await _any(working, campaign, seconds=remaining)
        finally:
            for each in (working, telling):
                each.cancel()
            await asyncio.wait([working, telling])
        if self.leads:
            raise HostError("the controllers have ended though this process leads")
        log.warning("leads no longer: its Lease could not be renewed in time", reason=Reason.LEADER_LOST.value)

    async def _campaign(self) -> None:
        step: Step = Look()
        while True:
            match step:
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                    step = self.candidate.next(self._clock(), self._wall())
                case Look() | Put():
                    step = await self._attempt(step)

    async def _attempt(self, step: Look | Put) -> Step:
        """One request, given up early enough for another one before the deadline (client-go: the same half)."""
        sent = self._clock()
        try:
            async with asyncio.timeout(self.candidate.terms.renew_deadline / 2):
                following = await self._ask(step, sent)
        except (ApiError, HostError, TimeoutError) as error:
            if isinstance(error, ApiError):
                self.heard = self._clock()
            self._say_trouble(step, error)
            return self.candidate.on_failure(self._clock(), self._chance())
        self._trouble = ""
        return following

    async def _ask(self, step: Look | Put, sent: float) -> Step:
        candidate = self.candidate
        if isinstance(step, Put):
            put = self._client.create(step.lease) if step.create else self._client.update(step.lease)
            lease = await put
            self.heard = self._clock()
            following: Step = candidate.on_written(lease, sent, self.heard)
            self._renewed.set()
            return following
        found: Lease | None = None
        try:
            found = await self._client.get(Lease, candidate.key)
        except ApiError as error:
            if error.code != 404:
                raise
        self.heard = self._clock()
        before = candidate.holder
        following = candidate.on_lease(found, self.heard, self._wall(), self._chance())
        if candidate.holder not in ("", before, candidate.identity):
            log.info("another process leads", identity=candidate.holder)
        return following

    def _say_trouble(self, step: Look | Put, error: Exception) -> None:
        """Each different trouble once. That somebody else was faster is none."""
        said = str(error) or "no answer in time"
        if isinstance(error, ApiError) and error.reason in ("Conflict", "AlreadyExists"):
            return
        if said != self._trouble:
            what = "read" if isinstance(step, Look) else "written"
            log.warning(f"the leader's Lease cannot be {what}", lease=str(self.candidate.key), error=said)
        self._trouble = said

    async def _release(self) -> None:
        """What cannot be given up ends by itself after the Lease's duration."""
        put = self.candidate.released(self._wall())
        if put is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._client.update(put.lease)
        except (ApiError, HostError, TimeoutError) as error:
            log.warning("the leader's Lease could not be given up", error=str(error) or "no answer in time")

    async def _tell(self, message: str) -> None:
        """As client-go, an event about the Lease."""
        try:
            lease = await self._client.get(Lease, self.candidate.key)
            await post(self._client, Note(lease, Reason.LEADER_ELECTED, message), COMPONENT, self._wall(), Notes())
        except (ApiError, HostError) as error:
            log.warning("an event could not be posted", error=str(error))


async def _any(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Waits until one ends, or so long. Raises what an ended one raised; cancelling it cancels none of them."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        each.result()
