"""A port of one address or all, IPv4 and IPv6, of this process's network namespace: one answer a connection, within bounds."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from moorage.model.errors import HostError
from moorage.observe.http import Request, parse_head, refuse

MAX_HEAD = 8192
"""Bytes of a request's head."""

MAX_CONNECTIONS = 256
"""Served at once; more are closed unanswered, so that nobody can use up the agent's descriptors."""

HEAD_SECONDS = 5.0
"""Within which a head must have arrived, and an answer must have been taken."""


class Crowd:
    """The connections of all servers that share it, and their bound. `present` counts also those about to be turned away."""

    def __init__(self, limit: int = MAX_CONNECTIONS) -> None:
        self.limit = limit
        self.present = 0


Respond = Callable[[Request], bytes | Awaitable[bytes]]


def open_port(port: int, purpose: str, if_taken: str = "", address: str = "") -> socket.socket:
    """A listening socket; `port` 0 is any, no address is all. Raises HostError where it is not to be had; `if_taken` is a hint
    for a taken one.
    """
    try:
        if address:
            return socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        hint = if_taken if error.errno == errno.EADDRINUSE else ""
        raise HostError(f"cannot serve {purpose} on port {port}: {os.strerror(error.errno or 0)}{hint}") from error


class PortServer:
    """Answers at a listening socket, which it owns. `limit` bounds the connections of this port, `crowd` those of several."""

    def __init__(
        self,
        opened: socket.socket,
        respond: Respond,
        crowd: Crowd,
        limit: int = MAX_CONNECTIONS,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        self._socket = opened
        self._respond = respond
        self._crowd = crowd
        self._limit = limit
        self._head_seconds = head_seconds
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def serve(self) -> None:
        """Answers until cancelled, then closes."""
        try:
            # Started in a second step: a cancellation in between finds a server that can be closed.
            self._server = await asyncio.start_server(
                self._serve_client, sock=self._socket, limit=MAX_HEAD, start_serving=False
            )
            await self._server.start_serving()
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()

    def close(self) -> None:
        """Gives the port back at once and hangs up on whoever is connected."""
        self._closed = True
        (self._server or self._socket).close()
        for client in self._clients:
            client.transport.abort()

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client that goes away early is no error."""
        self._clients.add(writer)
        self._crowd.present += 1
        try:
            if not self._closed and len(self._clients) <= self._limit and self._crowd.present <= self._crowd.limit:
                with suppress(ConnectionError, TimeoutError):
                    answer = await self._answer(reader)
                    if not writer.is_closing():
                        writer.write(answer)
                    async with asyncio.timeout(self._head_seconds):
                        await writer.drain()
        finally:
            self._crowd.present -= 1
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
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
        if request is None:
            return refuse(400)
        answer = self._respond(request)
        return answer if isinstance(answer, bytes) else await answer
