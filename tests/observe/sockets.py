"""Real clients on 127.0.0.1 for the servers of this room."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack, suppress


async def asked(port: int, request: bytes, address: str = "127.0.0.1") -> bytes:
    """All that the server answers until it closes."""
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


def free_ports(count: int) -> list[int]:
    """Node ports that nobody has at the moment; no outgoing connection takes one, as the kernel's own begin at 32768."""
    found: list[int] = []
    with ExitStack() as held:
        for port in range(30000 + os.getpid() % 2000, 32768):
            with suppress(OSError):
                held.enter_context(socket.create_server(("", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("there are no free node ports")
