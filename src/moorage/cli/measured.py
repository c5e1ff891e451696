"""What the benchmarks have in common: which machine it was, and an end that takes everything away."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def machine() -> str:
    """What the figures were measured on."""
    kernel, python = platform.release().split("-")[0], platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, Linux {kernel}, Python {python}"


def run_to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """On asyncio's own loop. SIGTERM cancels it as Ctrl-C does, so that it takes away what it has made; exit status 143."""

    async def until_signalled() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(until_signalled())
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
