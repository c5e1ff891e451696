"""Asks upstream servers: one question, each server in turn, over the transport that the client used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from moorage.model.errors import UserError
from moorage.model.net import parse_address

Endpoint = tuple[str, int]


def parse_upstream(text: str) -> Endpoint:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. Raises UserError for anything else."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
    host = host.removeprefix("[").removesuffix("]")
    if parse_address(host) is None or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f'"{text}" is no DNS server: write an address, or an address and a port as in 192.0.2.1:53')
    return host, int(port)


class _OneAnswer(asyncio.DatagramProtocol):
    """Waits for the datagram that repeats the question's id. The socket is connected: only the server's reach it."""

    def __init__(self, id_: bytes) -> None:
        self._id = id_
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._id and len(data) >= 12 and data[2] & 0x80 and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.answer.cancel()


async def ask_upstream(packet: bytes, servers: Sequence[Endpoint], tcp: bool, timeout: float) -> bytes | None:
    """The first answer, or None where no server answers within `timeout` seconds each."""
    for server in servers:
        try:
            async with asyncio.timeout(timeout):
                return await (_over_tcp(packet, server) if tcp else _over_udp(packet, server))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            continue
    return None


async def _over_udp(packet: bytes, server: Endpoint) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _OneAnswer(packet[:2]), remote_addr=server)
    try:
        transport.sendto(packet)
        return await protocol.answer
    finally:
        transport.close()


async def _over_tcp(packet: bytes, server: Endpoint) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(packet).to_bytes(2, "big") + packet)
        await writer.drain()
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
