"""Bytes that a client's connections carry, as the kernel counts them: TLS, HTTP and all, without TCP's own headers."""

from __future__ import annotations

import asyncio
import socket
import struct

import msgspec

from moorage.client.socket_io import AddressInfo, plain

_COUNTS = struct.Struct("=QQ")
_COUNTS_AT = 120
"""Where `tcpi_bytes_acked` and `tcpi_bytes_received` are in `struct tcp_info` (linux/tcp.h, since 4.1)."""

POLL_SECONDS = 0.05


class Carried(msgspec.Struct, frozen=True):
    sent: int
    received: int

    def since(self, before: Carried) -> Carried:
        return Carried(self.sent - before.sent, self.received - before.received)


class Meter:
    """`socket` is a SocketFactory; what its sockets carry is counted after they are closed, too. `close` at the end."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    @property
    def connections(self) -> int:
        return len(self._held)

    def socket(self, info: AddressInfo) -> socket.socket:
        made = plain(info)
        self._held.append(made.dup())
        return made

    def carried(self) -> Carried:
        counts = [
            _COUNTS.unpack_from(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), _COUNTS_AT) for each in self._held
        ]
        return Carried(sum(sent for sent, _ in counts), sum(received for _, received in counts))

    async def quiet(self, seconds: float) -> Carried:
        """What has been carried once nothing more has come for so long."""
        last, still = self.carried(), 0.0
        while still < seconds:
            await asyncio.sleep(POLL_SECONDS)
            now = self.carried()
            last, still = now, still + POLL_SECONDS if now == last else 0.0
        return last

    def close(self) -> None:
        for each in self._held:
            each.close()
