"""A real HTTP proxy for one test, on the loopback: CONNECT for TLS servers (RFC 9110, 9.3.6), whole URLs for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """`wanted` is the value of Proxy-Authorization that it asks for, empty for none. `asked` are the first lines it got."""

    def __init__(self, wanted: str = "") -> None:
        self.asked: list[str] = []
        self.port = 0
        self._wanted = wanted

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Gives `127.0.0.1:PORT`."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *fields = head.strip().split("\r\n")
            self.asked.append(first)
            if self._wanted and f"Proxy-Authorization: {self._wanted}" not in fields:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, _ = first.split(" ")
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                begin = b""
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                url = urlsplit(target)
                host, port = url.hostname or "", str(url.port)
                begin = head.replace(target, target.partition(url.netloc)[2], 1).encode()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1" if host == "api.test" else host, int(port))
            far_writer.write(begin)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, far_writer))
                tasks.create_task(_pump(far_reader, writer))
        finally:
            writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    sink.close()
