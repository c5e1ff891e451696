"""Keeps the statuses of a node's announcements in the API as they should be: ServiceL2Status, ServiceBGPStatus.

They are listed once and not watched: nobody but the node writes them. Those of MetalLB's own speakers are not touched. A kind
that the cluster does not have is said once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic

import structlog

from moorage.announce.statuses import S, changes, is_ours, selector
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
        self._node = node
        self._wanted: Callable[[], Mapping[Key, S]] = wanted
        self._namespace = namespace
        self._held: Mapping[Key, S] = {}
        """All that the API may hold of them."""
        self._is_certain = False
        """Whether it holds just these."""
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
            if self._is_certain:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SECONDS):
                        await self._told.wait()

    async def take_away(self) -> None:
        """All that the API may hold, whatever `run`, which is over, was doing when it ended."""
        if self._held:
            await perform(self._client, changes(self._held, {}), "moorage-node", time.time)

    async def _step(self) -> float:
        """The seconds until the next one."""
        is_certain, self._is_certain = self._is_certain, False
        if not is_certain or time.monotonic() > self._listed + SECONDS:
            try:
                found, _ = await self._client.list(self._type, self._namespace, selector(self._node))
            except (ApiError, HostError) as error:
                return self._not_listed(error)
            self._held = {each.key: each for each in found if is_ours(each, self._node)}
            self._listed = time.monotonic()
        held, wanted = self._held, self._wanted()
        self._held = {**held, **wanted}
        failures = await perform(self._client, changes(held, wanted), "moorage-node", time.time)
        self._say(failures[0].message if failures else "")
        if failures:
            return RETRY
        self._held, self._is_certain = wanted, True
        return PAUSE

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
