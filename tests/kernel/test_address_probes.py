"""Addresses that are asked for on a real network before they are handed out: the machines of `lan.py`."""

from __future__ import annotations

import asyncio
import os

import pytest

from moorage.announce.address_probe_io import AddressProber
from moorage.model.net import Address
from moorage.model.ports import AddressState
from tests.kernel.lan import MACS, Lan, Machine
from tests.table.objects import ip

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]

FREE = AddressState()
NO_DAD = 0x02


def states(machine: Machine, *addresses: Address) -> tuple[list[AddressState], float]:
    """What the network says in the end, and after how many seconds."""

    async def ask() -> tuple[list[AddressState], float]:
        clock = asyncio.get_running_loop().time
        begun = clock()
        async with AddressProber() as probes, asyncio.timeout(10):
            found = [probes.state(each) for each in addresses]
            while any(each.asking for each in found):
                await asyncio.sleep(0.01)
                found = [probes.state(each) for each in addresses]
        return found, clock() - begun

    return machine.run(ask)


def test_the_network_says_who_has_an_address(lan: Lan) -> None:
    """Both families and several addresses at a time; the neighbour answers by its kernel, `two` for an address that it owns."""
    lan.two.address("add", ip("198.18.100.1"))
    lan.two.address("add", ip("2001:db8::64"), flags=NO_DAD)
    theirs = [ip("198.18.0.100"), ip("198.18.100.1"), ip("2001:db8::100:1"), ip("2001:db8::64")]
    free = [ip("198.18.100.2"), ip("2001:db8::65")]
    found, seconds = states(lan.one, *theirs, *free)
    expected = [MACS["neighbour"], MACS["two"], MACS["neighbour"], MACS["two"]]
    assert [each.mac for each in found] == [*expected, "", ""]
    assert 0.25 < seconds < 2.0


def test_an_address_that_is_in_no_subnet_is_free_at_once(lan: Lan) -> None:
    found, seconds = states(lan.one, ip("192.0.2.1"), ip("2001:db8:1::1"))
    assert (found, seconds < 1.0) == ([FREE, FREE], True)


def test_asking_tells_the_neighbours_nothing(lan: Lan) -> None:
    states(lan.one, ip("198.18.100.2"))
    assert lan.neighbour.neighbour(ip("198.18.100.2")) is None
    assert lan.neighbour.neighbour(ip("0.0.0.0")) is None
