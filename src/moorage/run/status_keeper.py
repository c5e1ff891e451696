"""Keeps the statuses of a node's announcements in the API as they should be: ServiceL2Status, ServiceBGPStatus.

They are listed once and not watched: nobody but the node writes them. A kind that the cluster does not have is said once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic

import structlog

from moorage.announce.statuses import NODE_LABEL, S, changes
from moorage.client.perform_io import perform
from moorage.client.reflect import ABSENT_SECONDS, is_absence
from moorage.model.errors import ApiError, HostError
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Key
from moorage.model.ports import Client

PAUSE = 0.2
"""After each write, for what changes together."""
RETRY = 5.0
SECONDS = 60.0
"""After which they are listed again: others may have deleted one."""

log = structlog.get_logger()


class StatusKeeper(Generic[S]):
    """Of one kind and node. `wanted` gives the objects that there should be now."""

    def __init__(
        self, client: Client, type_: type[S], node: str, wanted: Callable[[], Mapping[Key, S]], namespace: str = ""
    ) -> None:
        self._client = client
        self._type: type[S] = type_
        self._selector = f"{NODE_LABEL}={node}"
        self._wanted: Callable[[], Mapping[Key, S]] = wanted
        self._namespace = namespace
        self._held: Mapping[Key, S] | None = None
        self._listed = 0.0
        self._told = asyncio.Event()
        self._failure = ""

    def look(self) -> None:
        """What is wanted may be another."""
        self._told.set()

    async def run(self) -> None:
        """Until cancelled. Nothing is asked of the API before the first `look`."""
        await self._told.wait()
        while True:
            self._told.clear()
            pause = await self._step()
            await asyncio.sleep(pause)
            if self._held is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SECONDS):
                        await self._told.wait()

    async def take_away(self) -> None:
        """All that the API may hold of them; `run` is over."""
        if self._held:
            await perform(self._client, changes(self._held, {}), "moorage-node", time.time)

    async def _step(self) -> float:
        """The seconds until the next one."""
        held, self._held = self._held, None
        if held is None or time.monotonic() > self._listed + SECONDS:
            try:
                found, _ = await self._client.list(self._type, self._namespace, self._selector)
            except (ApiError, HostError) as error:
                return self._not_listed(error)
            held, self._listed = {each.key: each for each in found}, time.monotonic()
        wanted = self._wanted()
        self._held = {**held, **wanted}
        failures = await perform(self._client, changes(held, wanted), "moorage-node", time.time)
        self._held = None if failures else wanted
        self._say(failures[0].message if failures else "")
        return RETRY if failures else PAUSE

    def _not_listed(self, error: ApiError | HostError) -> float:
        if not is_absence(error):
            self._say(str(error))
            return RETRY
        self._say("the API server does not have this kind")
        return ABSENT_SECONDS

    def _say(self, failure: str) -> None:
        """Each once, for as long as it lasts."""
        if failure and failure != self._failure:
            log.warning("statuses are not kept", kind=BY_TYPE[self._type].resource, error=failure)
        self._failure = failure
