"""Addresses on real interfaces: two machines and a neighbour on one bridge.

one 198.18.0.1 ---+
two 198.18.0.2 ---+--- bridge (switch) --- neighbour 198.18.0.100
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
from pyroute2 import AsyncIPRoute

from moorage.announce.interface_io import OUR_PROTOCOL, InterfaceAnnouncer, Moved
from moorage.model.errors import HostError
from moorage.model.net import Address, Family
from tests.kernel.topology import Namespace
from tests.table.objects import ip

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]

T = TypeVar("T")
VIP, SECOND, THIRD = ip("198.18.100.1"), ip("198.18.100.2"), ip("198.18.100.3")
VIP6 = ip("2001:db8::64")
MACS = {"one": "02:00:00:00:00:01", "two": "02:00:00:00:00:02", "neighbour": "02:00:00:00:00:64"}
WRONG_MAC = "02:00:00:00:00:ff"


class Machine:
    """A namespace with one interface, eth0, on the bridge."""

    def __init__(self, name: str, namespace: Namespace) -> None:
        self.mac = MACS[name]
        self._namespace = namespace

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._namespace.run(lambda: asyncio.run(work()))

    def own(self, *addresses: Address) -> Moved:
        return self.run(lambda: InterfaceAnnouncer("eth0").own(addresses))

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
        """Global addresses of eth0 with their prefix length; a star marks ours."""

        async def read() -> set[str]:
            async with AsyncIPRoute() as route:
                (index,) = await route.link_lookup(ifname="eth0")
                found = [each async for each in await route.get_addr(index=index)]
            texts = ((each.get_attr("IFA_ADDRESS"), each["prefixlen"], each.get_attr("IFA_PROTO")) for each in found)
            return {f"{text}/{length}" + "*" * (proto == OUR_PROTOCOL) for text, length, proto in texts if text[:4] != "fe80"}

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

        return self._namespace.run(connect)


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


@pytest.fixture
def lan() -> Iterator[Lan]:
    with ExitStack() as stack:
        yield Lan(stack)


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether the condition comes true in time; frames take a moment to arrive."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["ipv4", "ipv6"])
def test_a_neighbour_learns_the_address_and_follows_it_to_another_machine(lan: Lan, vip: Address) -> None:
    assert lan.one.own(vip) == Moved(frozenset({vip}))
    lan.neighbour.source_towards(vip)
    assert eventually(lambda: lan.neighbour.neighbour(vip) == lan.one.mac)
    lan.one.link("set", state="down")
    lan.two.own(vip)
    assert eventually(lambda: lan.neighbour.neighbour(vip) == lan.two.mac), lan.neighbour.neighbour(vip)


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["ipv4", "ipv6"])
def test_announcing_again_mends_what_a_neighbour_believes(lan: Lan, vip: Address) -> None:
    announcer = InterfaceAnnouncer("eth0")
    lan.one.run(lambda: announcer.own([vip]))
    lan.neighbour.believe(vip, WRONG_MAC)
    assert lan.neighbour.neighbour(vip) == WRONG_MAC
    lan.one.run(announcer.announce)
    assert eventually(lambda: lan.neighbour.neighbour(vip) == lan.one.mac)


def test_exactly_the_wanted_addresses_are_ours_and_others_stay(lan: Lan) -> None:
    others = lan.one.addresses()
    announcer = InterfaceAnnouncer("eth0")
    assert lan.one.run(lambda: announcer.own([VIP, SECOND, VIP6])) == Moved(frozenset({VIP, SECOND, VIP6}))
    assert lan.one.addresses() == others | {"198.18.100.1/32*", "198.18.100.2/32*", "2001:db8::64/128*"}
    assert lan.one.run(lambda: announcer.own([SECOND, THIRD])) == Moved(frozenset({THIRD}), frozenset({VIP, VIP6}))
    assert lan.one.addresses() == others | {"198.18.100.2/32*", "198.18.100.3/32*"}
    assert not lan.one.run(lambda: announcer.own([THIRD, SECOND]))
    assert lan.one.run(announcer.release) == Moved(removed=frozenset({SECOND, THIRD}))
    assert lan.one.addresses() == others
    assert not lan.one.run(announcer.release)


def test_what_a_crashed_run_left_is_taken_over_or_away(lan: Lan) -> None:
    lan.one.own(VIP, SECOND)
    lan.neighbour.believe(VIP, WRONG_MAC)
    assert lan.one.own(VIP, THIRD) == Moved(frozenset({THIRD}), frozenset({SECOND}))
    assert eventually(lambda: lan.neighbour.neighbour(VIP) == lan.one.mac)


def test_an_address_that_somebody_else_put_there_is_an_error_and_hinders_no_other(lan: Lan) -> None:
    lan.one.address("add", VIP)
    announcer = InterfaceAnnouncer("eth0")
    with pytest.raises(HostError, match=r"interface eth0: 198\.18\.100\.1 is there already and not ours"):
        lan.one.run(lambda: announcer.own([VIP, SECOND]))
    assert {"198.18.100.1/32", "198.18.100.2/32*"} <= lan.one.addresses()
    lan.one.address("del", VIP)
    assert lan.one.run(lambda: announcer.own([VIP, SECOND])) == Moved(frozenset({VIP}))


def test_our_own_connections_do_not_come_from_the_address(lan: Lan) -> None:
    lan.one.own(VIP, VIP6)
    assert lan.one.source_towards(ip("198.18.0.100")) == "198.18.0.1"
    assert lan.one.source_towards(ip("2001:db8::100:1")) == "2001:db8::1:1"


def test_an_interface_without_neighbours_owns_in_silence(lan: Lan) -> None:
    assert lan.one.run(lambda: InterfaceAnnouncer("lo").own([VIP])) == Moved(frozenset({VIP}))
    assert lan.one.run(lambda: InterfaceAnnouncer("lo").release()) == Moved(removed=frozenset({VIP}))


def test_a_missing_interface(lan: Lan) -> None:
    announcer = InterfaceAnnouncer("nope0")
    with pytest.raises(HostError, match="there is no interface nope0"):
        lan.one.run(lambda: announcer.own([VIP]))
    assert not lan.one.run(announcer.release)
