"""Old Events are removed by the server itself, a few at a time, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from moorage.model.errors import ApiError, HostError
from moorage.model.kinds import EVENTS
from moorage.model.ports import Resources
from moorage.registry.expiry import expired

INTERVAL = 60.0
"""Seconds between two looks."""
BATCH = 100
"""Events that are removed at once; between batches the server turns to its clients."""

log = structlog.get_logger()


async def expire_events(
    resources: Resources, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Runs until cancelled. `clock` gives seconds since the epoch."""
    while True:
        try:
            await remove_expired(resources, clock())
        except HostError as error:
            log.warning("expired events cannot be removed", error=str(error))
        await sleep(INTERVAL)


async def remove_expired(resources: Resources, now: float) -> int:
    """How many Events were removed. One that was written again in between stays."""
    records, _ = resources.list(EVENTS)
    old = expired(records, now)
    removed = 0
    for start in range(0, len(old), BATCH):
        results = await asyncio.gather(
            *(resources.delete(EVENTS, each.key, each.options) for each in old[start : start + BATCH]), return_exceptions=True
        )
        for each in results:
            if isinstance(each, BaseException) and not (isinstance(each, ApiError) and each.code in (404, 409)):
                raise each
        removed += sum(not isinstance(each, BaseException) for each in results)
    if removed:
        log.debug("expired events are removed", count=removed)
    return removed
