"""Serves `/healthz` and `/livez` on a port of every address, IPv4 and IPv6, of the network namespace of this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from moorage.observe.health import Health, respond
from moorage.observe.http import Request
from moorage.observe.http_io import HEAD_SECONDS, Crowd, PortServer, open_port

__all__ = ["Health", "HealthServer"]


class HealthServer:
    """`check` says how things are, at each request. `clock` gives seconds since the epoch."""

    def __init__(
        self, port: int, check: Callable[[], Health], clock: Callable[[], float] = time.time, head_seconds: float = HEAD_SECONDS
    ) -> None:
        self._port = port
        self._check = check
        self._clock = clock
        self._head_seconds = head_seconds
        self._server: PortServer | None = None

    def listen(self) -> int:
        """Takes the port and returns it (it was 0 for any). Raises HostError where it is not to be had."""
        opened = open_port(self._port, "health", if_taken=": does another agent (kube-proxy?) run here")
        self._server = PortServer(opened, self._respond, Crowd(), head_seconds=self._head_seconds)
        port: int = opened.getsockname()[1]
        return port

    def close(self) -> None:
        """Gives the port back. `serve` does so itself when it ends."""
        if self._server is not None:
            self._server.close()

    async def serve(self) -> None:
        """Answers until cancelled. Raises HostError where the port is not to be had."""
        if self._server is None:
            self.listen()
        assert self._server is not None
        await self._server.serve()

    def _respond(self, request: Request) -> bytes:
        return respond(request, self._check(), self._clock())
