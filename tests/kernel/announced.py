"""What tests of announced addresses share: a lab that has formed, who answers, and what was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from moorage.run.bench_failover_lab_io import Asking, FailoverLab
from tests.kernel.needs import unique_instance

SOON = 15.0


@asynccontextmanager
async def formed(nodes: int = 3, addresses: int = 1) -> AsyncIterator[FailoverLab]:
    async with FailoverLab(unique_instance("fail"), nodes, addresses) as lab:
        await lab.formed()
        await lab.asking.window()
        yield lab


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = SOON) -> bool:
    end = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


async def owner(lab: FailoverLab) -> str:
    found = await lab.owner(lab.addresses[0])
    assert found is not None
    return found


async def nothing_lost(*askers: Asking) -> None:
    """Since they were asked last."""
    for each in askers:
        met = await each.window()
        assert (met.lost, met.out_now) == (0, False), met
        assert met.asked > 100
