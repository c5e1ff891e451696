"""Serves `/healthz` and `/livez` on a port of every address, IPv4 and IPv6, of the network namespace of this process."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from moorage.model.errors import HostError
from moorage.observe.health import Health, parse_head, refuse, respond

__all__ = ["Health", "HealthServer"]

MAX_HEAD = 8192
"""Bytes of a request's head."""

MAX_CONNECTIONS = 256
"""Served at once; more are closed unanswered, so that nobody can use up the agent's descriptors."""

HEAD_SECONDS = 5.0
"""Within which a head must have arrived, and an answer must have been taken."""


class HealthServer:
    """`check` says how things are, at each request. `clock` gives seconds since the epoch."""

    def __init__(
        self, port: int, check: Callable[[], Health], clock: Callable[[], float] = time.time, head_seconds: float = HEAD_SECONDS
    ) -> None:
        self._port = port
        self._check = check
        self._clock = clock
        self._head_seconds = head_seconds
        self._socket: socket.socket | None = None
        self._connections = 0

    def listen(self) -> int:
        """Takes the port and returns it (it was 0 for any). Raises HostError where it is not to be had."""
        try:
            if socket.has_dualstack_ipv6():
                self._socket = socket.create_server(("", self._port), family=socket.AF_INET6, dualstack_ipv6=True)
            else:
                self._socket = socket.create_server(("", self._port))
        except OSError as error:
            hint = ": does another agent (kube-proxy?) run here" if error.errno == errno.EADDRINUSE else ""
            raise HostError(f"cannot serve health on port {self._port}: {os.strerror(error.errno or 0)}{hint}") from error
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        """Gives the port back. `serve` does so itself when it ends."""
        if self._socket is not None:
            self._socket.close()

    async def serve(self) -> None:
        """Answers until cancelled. Raises HostError where the port is not to be had."""
        if self._socket is None:
            self.listen()
        server = await asyncio.start_server(self._answer, sock=self._socket, limit=MAX_HEAD)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one response, the end. A client that goes away early is no error."""
        self._connections += 1
        try:
            if self._connections <= MAX_CONNECTIONS:
                with suppress(ConnectionError, TimeoutError):
                    writer.write(await self._response(reader))
                    async with asyncio.timeout(self._head_seconds):
                        await writer.drain()
        finally:
            self._connections -= 1
            writer.close()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._head_seconds):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return refuse(408)
        except asyncio.LimitOverrunError:
            return refuse(431)
        except asyncio.IncompleteReadError as error:
            return refuse(400) if error.partial else b""
        request = parse_head(head.removesuffix(b"\r\n\r\n"))
        return refuse(400) if request is None else respond(request, self._check(), self._clock())
