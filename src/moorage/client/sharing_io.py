"""HTTP/2 connections to one server, which its watches share; where it does not speak HTTP/2, it is not asked for it again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from aiohappyeyeballs import start_connection
from yarl import URL

from moorage.client.http2_io import CLOSE_SECONDS, Answer, Http2, UnseenError
from moorage.client.socket_io import SocketFactory

SECOND_ADDRESS_SECONDS = 0.25
"""Until another address of the server is tried beside one that does not answer (RFC 8305, 8; aiohttp: the same)."""


class OneEach:
    """What the server chose: HTTP/1.1, a connection for each stream. It holds until one is lost (`Sharing.doubt`)."""


class Sharing:
    """One connection, as long as it has room and the client shows the same certificate. At most one is being made at a time.

    `host_name` is what the server's certificate is for, `seconds` how long a connection may take to stand, the server's first
    word included.
    """

    def __init__(self, server: URL, host_name: str, socket_factory: SocketFactory, seconds: float) -> None:
        self._host, self._port = server.host or "", server.port or 443
        self._host_name = (host_name or self._host).rstrip(".")
        self._socket_factory = socket_factory
        self._seconds = seconds
        self._connections: list[tuple[ssl.SSLContext, Http2]] = []
        self._attempt: asyncio.Task[None] | None = None
        self._chosen: OneEach | None = None

    async def ask(self, tls: ssl.SSLContext, headers: Sequence[tuple[str, str]]) -> Answer | OneEach:
        """The answer to a request without a body, once it has begun; `Answer.close` is the caller's. Raises OSError."""
        found = await self._room(tls)
        try:
            return found if isinstance(found, OneEach) else await found.ask(headers)
        except UnseenError:
            found = await self._room(tls)
            return found if isinstance(found, OneEach) else await found.ask(headers)

    def doubt(self, chosen: OneEach) -> None:
        """A connection was lost that was made because the server chose so: what answers next may choose otherwise."""
        if self._chosen is chosen:
            self._chosen = None

    async def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])
        await asyncio.gather(*(connection.close() for _, connection in self._connections))

    async def _room(self, tls: ssl.SSLContext) -> Http2 | OneEach:
        """Where one more stream may be opened; it is the caller's until the caller waits for something else."""
        while True:
            self._connections = [each for each in self._connections if not each[1].is_lost]
            for context, connection in self._connections:
                if context is tls and connection.has_room:
                    return connection
            if self._chosen is not None:
                return self._chosen
            if self._attempt is None:
                self._attempt = asyncio.create_task(self._connect(tls))
                self._attempt.add_done_callback(self._on_attempt)
            attempt = self._attempt
            await asyncio.wait([attempt])
            if attempt.cancelled():
                raise ConnectionError("the client was closed")
            attempt.result()

    def _on_attempt(self, attempt: asyncio.Task[None]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()  # seen, also where nobody waits for it any more

    async def _connect(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._seconds):
            try:
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                made = await start_connection(
                    found, happy_eyeballs_delay=SECOND_ADDRESS_SECONDS, socket_factory=self._socket_factory
                )
            except OSError as error:
                raise ConnectionError(f"cannot connect to {self._host}:{self._port}: {error.strerror or error}") from error
            _, connection = await loop.create_connection(
                Http2, sock=made, ssl=tls, server_hostname=self._host_name, ssl_shutdown_timeout=CLOSE_SECONDS
            )
            if not connection.is_spoken:
                self._chosen = OneEach()
                return
            try:
                await connection.ready()
                if not connection.has_room:
                    raise ConnectionError("the server allows no streams on a connection")
            except BaseException:
                connection.abort()
                raise
        self._connections.append((tls, connection))
