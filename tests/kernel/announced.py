"""What tests of announced addresses share: a lab that has formed, who answers, and what was lost."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from moorage.announce import arp
from moorage.lab import netns_io
from moorage.lab.plan import LAN
from moorage.run.bench_failover_lab_io import Asking, FailoverLab
from tests.kernel.needs import unique_instance

SOON = 15.0


@asynccontextmanager
async def formed(nodes: int = 3, addresses: int = 1) -> AsyncIterator[FailoverLab]:
    async with FailoverLab(unique_instance("fail"), nodes, addresses) as lab:
        await lab.formed()
        await lab.asking.window()
        yield lab


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = SOON) -> bool:
    end = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


async def owner(lab: FailoverLab) -> str:
    found = await lab.owner(lab.addresses[0])
    assert found is not None
    return found


async def nothing_lost(*askers: Asking) -> None:
    """Since they were asked last."""
    for each in askers:
        met = await each.window()
        assert (met.lost, met.out_now) == (0, False), met


def who_has(lab: FailoverLab, address: str) -> set[str]:
    """The MACs that answer an ARP request within half a second."""
    with netns_io.inside(lab.namespace("client")):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETHERTYPE))
        made.bind(("eth0", arp.ETHERTYPE))
    found: set[str] = set()
    with made:
        made.settimeout(0.5)
        own, packed = bytes.fromhex("020000000064"), socket.inet_aton(address)
        head = arp.BROADCAST + own + b"\x08\x06" + bytes.fromhex("0001 0800 06 04 0001")
        made.send(head + own + LAN[100].packed + bytes(6) + packed)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                heard = arp.read(made.recv(2048))
            except TimeoutError:
                break
            if heard is not None and not heard.asks and heard.sender.packed == packed and heard.target != heard.sender:
                found.add(heard.mac.hex(":"))
    return found
