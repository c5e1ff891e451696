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
        try:
            while True:
                await self._stirred.wait()
                self._stirred.clear()
                if await self._applied():
                    await asyncio.sleep(PAUSE)
                else:
                    self._stirred.set()
                    await asyncio.sleep(RETRY)
        finally:
            await self._haproxy.close()

    async def _applied(self) -> bool:
        try:
            await self._haproxy.apply(self._wanted)
        except (HostError, OSError) as error:
            log.error("the PROXY protocol is not served", error=str(error), retry_in_s=RETRY)
            return False
        return True
