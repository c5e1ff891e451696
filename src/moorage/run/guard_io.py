"""Watches over what is installed in the kernel: what others change there is put right at once, and told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.datapath.types import Repair
from moorage.model.reason import Reason
from moorage.run.forward_io import Forwarder

GATHER = 0.05
"""Seconds between the first sign of a change and the look at it: a change has many signs, and most are our own."""


async def guard(forwarder: Forwarder, say: Callable[[Reason, str], None]) -> None:
    """Until cancelled. It begins once there is a table in the kernel; `say` gets what was found."""
    await forwarder.first_table.wait()
    descriptor = forwarder.watched
    if descriptor is None:
        return
    loop, stirred = asyncio.get_running_loop(), asyncio.Event()
    while True:
        loop.add_reader(descriptor, stirred.set)
        try:
            await stirred.wait()
        finally:
            loop.remove_reader(descriptor)
        await asyncio.sleep(GATHER)
        stirred.clear()
        repair = forwarder.inspect()
        if repair is not None:
            say(Reason.RULES_ALTERED, _told(repair))


def _told(repair: Repair) -> str:
    return f"the rules of Services were altered: {'; '.join(repair.found)}. Put right in {repair.seconds * 1e3:.0f} ms"
