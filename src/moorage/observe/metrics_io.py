"""Serves `/metrics` at one address of this process's network namespace, made anew for each request on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.observe.http import Request, answer, refuse
from moorage.observe.http_io import Crowd, PortServer, open_port

METRICS = "/metrics"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class MetricsServer:
    """`render` makes the text; one runs at a time. `port` 0 is any."""

    def __init__(self, address: str, port: int, render: Callable[[], str]) -> None:
        self._opened = open_port(port, "metrics", ": does another agent (kube-proxy?) run here", address)
        self.port: int = self._opened.getsockname()[1]
        self._render = render
        self._one = asyncio.Lock()

    async def serve(self) -> None:
        """Answers until cancelled."""
        await PortServer(self._opened, self._respond, Crowd()).serve()

    async def _respond(self, request: Request) -> bytes:
        if request.path != METRICS:
            return refuse(404)
        async with self._one:
            return answer(request, 200, _TEXT, await asyncio.to_thread(self._render))
