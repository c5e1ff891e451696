"""Cluster DNS on the wire: UDP and TCP on one port, every answer made by `answer.Responder`."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog

from moorage.dns.answer import Ask, Responder
from moorage.dns.datagrams_io import Datagram, open_datagrams, receive, send
from moorage.dns.directory import Directory
from moorage.dns.forward_io import ask_upstream, parse_upstream
from moorage.dns.records import Source
from moorage.dns.settings import DEFAULTS, DnsSettings
from moorage.dns.wire import Record
from moorage.model.errors import HostError
from moorage.model.snapshot import Snapshot

BURST = 64
"""Datagrams answered before other tasks get their turn."""

GetSnapshot = Callable[[], Snapshot | None]

log = structlog.get_logger()


async def serve_dns(
    address: str,
    port: int,
    get_snapshot: GetSnapshot,
    settings: DnsSettings = DEFAULTS,
    started: Callable[[int], None] | None = None,
) -> None:
    """Serves until cancelled. `get_snapshot` gives None until the API has been read. `started` is told the port.

    Raises HostError where the port cannot be had, UserError where an upstream server is none.
    """
    desk = _Desk(get_snapshot, settings)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as opened:
        try:
            server = await asyncio.start_server(desk.serve_connection, address, port)
            opened.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            datagrams = opened.enter_context(open_datagrams(address, port))
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)  # asyncio puts the address into strerror
            raise HostError(f"cluster DNS cannot listen on {address} port {port}: {why}") from error
        opened.push_async_callback(desk.close)
        loop.add_reader(datagrams, desk.serve_datagrams, datagrams)
        opened.callback(loop.remove_reader, datagrams)
        log.info("serving cluster DNS", address=address, port=port, zone=settings.zone)
        if started is not None:
            started(port)
        await loop.create_future()


class _Desk:
    """Takes questions in and hands answers out; keeps count of what is under way."""

    def __init__(self, get_snapshot: GetSnapshot, settings: DnsSettings) -> None:
        self._get_snapshot = get_snapshot
        self._settings = settings
        self._upstreams = [parse_upstream(each) for each in settings.upstreams]
        self._responder = Responder(settings, _shuffled)
        self._directory: Directory | None = None
        self._forwards: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.StreamWriter] = set()

    def serve_datagrams(self, opened: socket.socket) -> None:
        for _ in range(BURST):
            datagram = receive(opened)
            if datagram is None:
                return
            answer = self._responder.answer(datagram.data, self._source())
            if isinstance(answer, Ask):
                self._forward(opened, datagram, answer)
            elif answer is not None:
                send(opened, answer, datagram)

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions one after the other, until the client leaves, is silent for too long, or sends what is no question."""
        if len(self._connections) >= self._settings.max_connections:
            writer.close()
            return
        self._connections.add(writer)
        try:
            while True:
                async with asyncio.timeout(self._settings.idle_timeout):
                    packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                answer = self._responder.answer(packet, self._source(), tcp=True)
                if isinstance(answer, Ask):
                    answer = self._responder.finish(answer, await self._ask(answer, tcp=True))
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(self._settings.idle_timeout):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    async def close(self) -> None:
        """Ends what is under way."""
        for writer in self._connections:
            writer.transport.abort()
        for task in self._forwards:
            task.cancel()
        await asyncio.gather(*self._forwards, return_exceptions=True)

    def _forward(self, opened: socket.socket, datagram: Datagram, ask: Ask) -> None:
        if len(self._forwards) >= self._settings.max_forwards:
            send(opened, self._responder.finish(ask, None), datagram)
            return

        async def forwarded() -> None:
            send(opened, self._responder.finish(ask, await self._ask(ask, tcp=False)), datagram)

        task = asyncio.get_running_loop().create_task(forwarded(), name="forward a question")
        self._forwards.add(task)
        task.add_done_callback(self._forwards.discard)

    async def _ask(self, ask: Ask, tcp: bool) -> bytes | None:
        return await ask_upstream(ask.packet, self._upstreams, tcp, self._settings.upstream_timeout)

    def _source(self) -> Source | None:
        snapshot = self._get_snapshot()
        if snapshot is None:
            return None
        if self._directory is None or self._directory.snapshot is not snapshot:
            self._directory = Directory(snapshot, self._directory)
        return Source(self._directory, self._settings)


def _shuffled(records: Sequence[Record]) -> Sequence[Record]:
    return random.sample(records, len(records)) if len(records) > 1 else records
