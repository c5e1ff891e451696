"""Stands between clients and an API server, and keeps what passes: TLS on both sides, bytes as they are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tests.client.served import certificate
from tests.recorded.wire import Passed

READ = 1 << 16


class Relay:
    """`passed` grows while clients talk. `url` and `ca_file` are what clients need."""

    def __init__(self, server: str, trusted: ssl.SSLContext, directory: Path, listening: socket.socket | None) -> None:
        split = urlsplit(server)
        self._host, self._port, self._trusted = split.hostname, split.port or 443, trusted
        self.ca_file, key = certificate(directory)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(self.ca_file, key)
        self._listening = listening or socket.create_server(("127.0.0.1", 0))
        self._numbers = count()
        self.passed: list[Passed] = []
        self.url = ""

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, sock=self._listening, ssl=self._context)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        theirs, to_them = await asyncio.open_connection(self._host, self._port, ssl=self._trusted)
        ways = [
            asyncio.create_task(self._copy(number, reader, to_them, from_client=True)),
            asyncio.create_task(self._copy(number, theirs, writer, from_client=False)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for each in ways:
            each.cancel()
        for one in (writer, to_them):
            one.close()

    async def _copy(self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_client: bool) -> None:
        with suppress(OSError, ssl.SSLError):
            while data := await source.read(READ):
                self.passed.append(Passed(number, from_client, data))
                sink.write(data)
                await sink.drain()


@asynccontextmanager
async def relay(
    server: str, trusted: ssl.SSLContext, directory: Path, listening: socket.socket | None = None
) -> AsyncIterator[Relay]:
    """Relays until the block ends. `listening` is a socket of 127.0.0.1, perhaps of another network namespace."""
    one = Relay(server, trusted, directory, listening)
    serving = await one.start()
    try:
        yield one
    finally:
        serving.close()
