"""Keeps HAProxy in step with the newest wish, beside everything else: to start it takes a tenth of a second."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from moorage.balance.haproxy import Proxies
from moorage.balance.haproxy_io import Haproxy
from moorage.model.errors import HostError

RETRY = 1.0
"""Seconds until a refused wish is tried again."""
PAUSE = 0.2
"""Seconds after a change, so that each new process of HAProxy takes in all wishes of that time."""

log = structlog.get_logger()


class ProxyKeeper:
    """`want` says what HAProxy should serve, `run` sees to it until cancelled; then HAProxy ends, with its connections."""

    def __init__(self, directory: Path) -> None:
        self._stirred = asyncio.Event()
        self._haproxy = Haproxy(directory, self._stirred.set)
        self._wanted: Proxies = ()

    def want(self, proxies: Proxies) -> None:
        if proxies != self._wanted:
            self._wanted = proxies
            self._stirred.set()

    async def run(self) -> None:
        wake_in: float | None = None
        try:
            while True:
                try:
                    async with asyncio.timeout(wake_in):
                        await self._stirred.wait()
                except TimeoutError:
                    pass
                self._stirred.clear()
                wake_in = await self._apply()
                await asyncio.sleep(PAUSE)
        finally:
            await self._haproxy.close()

    async def _apply(self) -> float | None:
        """Seconds until it should be tried again."""
        try:
            await self._haproxy.apply(self._wanted)
        except HostError as error:
            log.error("the PROXY protocol is not served", error=str(error), retry_in_s=RETRY)
            return RETRY
        return None
