"""A small LAN: two machines and a neighbour on one bridge.

one 198.18.0.1 ---+
two 198.18.0.2 ---+--- bridge (switch) --- neighbour 198.18.0.100
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, TypeVar

from pyroute2 import AsyncIPRoute

from moorage.model.net import Address, Family
from tests.kernel.topology import Namespace
from tests.table.objects import ip

T = TypeVar("T")
VIP = ip("198.18.100.1")
VIP6 = ip("2001:db8::64")
MACS = {"one": "02:00:00:00:00:01", "two": "02:00:00:00:00:02", "neighbour": "02:00:00:00:00:64"}
WRONG_MAC = "02:00:00:00:00:ff"


class Machine:
    """A namespace with one interface, eth0, on the bridge."""

    def __init__(self, name: str, namespace: Namespace) -> None:
        self.mac = MACS[name]
        self.namespace = namespace.name
        self._namespace = namespace

    def execute(self, work: Callable[[], T]) -> T:
        return self._namespace.run(work)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.execute(lambda: asyncio.run(work()))

    def link(self, verb: str, **options: Any) -> None:
        async def change() -> None:
            async with AsyncIPRoute() as route:
                (index,) = await route.link_lookup(ifname="eth0")
                await route.link(verb, index=index, **options)

        self.run(change)

    def address(self, verb: str, address: Address, length: int = 0, **options: Any) -> None:
        async def change() -> None:
            async with AsyncIPRoute() as route:
                (index,) = await route.link_lookup(ifname="eth0")
                prefixlen = length or Family.of(address).bits
                await route.addr(verb, index=index, address=str(address), prefixlen=prefixlen, **options)

        self.run(change)

    def addresses(self) -> set[str]:
        """Global addresses of eth0 with their prefix length."""

        async def read() -> set[str]:
            async with AsyncIPRoute() as route:
                (index,) = await route.link_lookup(ifname="eth0")
                found = [each async for each in await route.get_addr(index=index)]
            texts = ((each.get_attr("IFA_ADDRESS"), each["prefixlen"]) for each in found)
            return {f"{text}/{length}" for text, length in texts if text[:4] != "fe80"}

        return self.run(read)

    def neighbour(self, address: Address) -> str | None:
        """The MAC that this machine knows for the address."""

        async def read() -> str | None:
            async with AsyncIPRoute() as route:
                found = [each async for each in await route.get_neighbours(dst=str(address))]
            return found[0].get_attr("NDA_LLADDR") if found else None

        return self.run(read)

    def believe(self, address: Address, mac: str) -> None:
        """Writes an entry into the neighbour table, as if learnt long ago."""

        async def write() -> None:
            async with AsyncIPRoute() as route:
                (index,) = await route.link_lookup(ifname="eth0")
                await route.neigh("replace", dst=str(address), lladdr=mac, ifindex=index, state="stale")

        self.run(write)

    def source_towards(self, address: Address) -> str:
        """The address from which this machine would open a connection; sends one datagram."""

        def connect() -> str:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as made:
                made.connect((str(address), 9))
                made.send(b"")
                return str(made.getsockname()[0])

        return self.execute(connect)


class Lan:
    def __init__(self, stack: ExitStack) -> None:
        switch = self._namespace(stack, "switch")
        switch.run(lambda: asyncio.run(self._bridge()))
        self.one = self._machine(stack, switch, "one", "1")
        self.two = self._machine(stack, switch, "two", "2")
        self.neighbour = self._machine(stack, switch, "neighbour", "100")

    @staticmethod
    def _namespace(stack: ExitStack, role: str) -> Namespace:
        made = Namespace(f"mt-{os.getpid()}-{role}")
        stack.callback(made.close)
        return made

    @staticmethod
    async def _bridge() -> None:
        async with AsyncIPRoute() as route:
            await route.link("add", ifname="br0", kind="bridge")
            (index,) = await route.link_lookup(ifname="br0")
            await route.link("set", index=index, state="up")

    def _machine(self, stack: ExitStack, switch: Namespace, name: str, last: str) -> Machine:
        namespace = self._namespace(stack, name)
        machine = Machine(name, namespace)

        async def plug() -> None:
            async with AsyncIPRoute() as route:
                peer = {"ifname": "eth0", "address": machine.mac, "net_ns_fd": namespace.name}
                await route.link("add", ifname=name, kind="veth", peer=peer)
                (port,), (bridge,) = await route.link_lookup(ifname=name), await route.link_lookup(ifname="br0")
                await route.link("set", index=port, master=bridge, state="up")

        switch.run(lambda: asyncio.run(plug()))
        machine.link("set", state="up")
        machine.address("add", ip(f"198.18.0.{last}"), 16)
        machine.address("add", ip(f"2001:db8::{last}:1"), 64, flags=0x02)
        return machine


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether the condition comes true in time; frames take a moment to arrive."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
