"""Addresses to own -> addresses on a network interface, told to the neighbours.

Ours are marked with an address protocol number (IFA_PROTO, Linux 5.18), so what a crashed run left behind is recognised and
taken over or away, and what others put on the interface is never touched.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from errno import EADDRNOTAVAIL, EEXIST
from ipaddress import IPv4Address
from typing import Any

import msgspec
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from moorage.announce import arp, ndp
from moorage.model.errors import HostError
from moorage.model.net import Address, Family, parse_address

OUR_PROTOCOL = 77
"""IFA_PROTO of our addresses; `ip addr` prints it as `proto 77`. The kernel itself uses 1 to 3."""

_NO_DAD = 0x02
_NO_PREFIX_ROUTE = 0x200
_LOOPBACK = 0x08
_NO_ARP = 0x80
_FOREVER = 0xFFFFFFFF


class Moved(msgspec.Struct, frozen=True):
    """What one call changed on the interface."""

    added: frozenset[Address] = frozenset()
    removed: frozenset[Address] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class _Link(msgspec.Struct, frozen=True):
    """`mac` is empty where the link has no neighbours to tell."""

    index: int
    mac: bytes


async def interfaces_with_ours() -> tuple[str, ...]:
    """The interfaces of this network namespace that have addresses of ours, sorted."""
    async with AsyncIPRoute() as route:
        ours = [each["index"] async for each in await route.get_addr() if each.get_attr("IFA_PROTO") == OUR_PROTOCOL]
        links = {each["index"]: each.get_attr("IFLA_IFNAME") async for each in await route.get_links()}
    return tuple(sorted({links[index] for index in ours if index in links}))


class InterfaceAnnouncer:
    """Owns addresses on one interface of the calling process's network namespace. Needs CAP_NET_ADMIN and CAP_NET_RAW."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._held: frozenset[Address] | None = None

    async def own(self, addresses: Iterable[Address]) -> Moved:
        """Makes ours on the interface exactly these, as /32 or /128, and announces each that was not there before.

        The first call also announces what an earlier run left in place. Raises HostError, after everything else was done, when
        the kernel refuses an address or somebody else put it there; the next call tries again from what is really there.
        """
        wanted = frozenset(addresses)
        if wanted == self._held:
            return Moved()
        first = self._held is None
        async with AsyncIPRoute() as route:
            link = await self._link(route)
            present = await self._ours(route, link)
            self._held = None
            moved = Moved(wanted - present, present - wanted)
            problems = [await _remove(route, link, each) for each in _sorted(moved.removed)]
            problems += [await _add(route, link, each) for each in _sorted(moved.added)]
        self._announce(link, wanted if first else moved.added)
        refused = [each for each in problems if each is not None]
        if refused:
            raise HostError(f"interface {self._interface}: {'; '.join(refused)}")
        self._held = wanted
        return moved

    async def announce(self) -> None:
        """Tells the neighbours once more of every address owned: a frame can be lost. Raises HostError."""
        async with AsyncIPRoute() as route:
            link = await self._link(route)
        self._announce(link, self._held or frozenset())

    async def release(self) -> Moved:
        """Takes all our addresses off the interface; one that is gone took them with it. Raises HostError."""
        async with AsyncIPRoute() as route:
            gone = not await route.link_lookup(ifname=self._interface)
        return Moved() if gone else await self.own(())

    async def _link(self, route: AsyncIPRoute) -> _Link:
        indexes = await route.link_lookup(ifname=self._interface)
        if not indexes:
            raise HostError(f"there is no interface {self._interface}; name one that `ip link` shows")
        (message,) = await route.link("get", index=indexes[0])
        mac = bytes.fromhex((message.get_attr("IFLA_ADDRESS") or "").replace(":", ""))
        has_neighbours = len(mac) == 6 and not message["flags"] & (_LOOPBACK | _NO_ARP)
        return _Link(indexes[0], mac if has_neighbours else b"")

    async def _ours(self, route: AsyncIPRoute, link: _Link) -> frozenset[Address]:
        found = [each async for each in await route.get_addr(index=link.index) if each.get_attr("IFA_PROTO") == OUR_PROTOCOL]
        parsed = (parse_address(each.get_attr("IFA_ADDRESS")) for each in found)
        return frozenset(each for each in parsed if each is not None)

    def _announce(self, link: _Link, addresses: Iterable[Address]) -> None:
        if not link.mac:
            return
        frames = [frame for address in _sorted(addresses) for frame in _frames(link.mac, address)]
        if not frames:
            return
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
                wire.bind((self._interface, 0))
                for frame in frames:
                    wire.send(frame)
        except OSError as error:
            raise HostError(f"interface {self._interface}: cannot announce addresses: {error.strerror}") from error


def _frames(mac: bytes, address: Address) -> tuple[bytes, ...]:
    return arp.gratuitous(mac, address) if isinstance(address, IPv4Address) else (ndp.unsolicited(mac, address),)


async def _add(route: AsyncIPRoute, link: _Link, address: Address) -> str | None:
    """Adds one address, or says why not. An IPv6 one is deprecated from the start: never the source of our own connections."""
    options: dict[str, Any] = {}
    if address.version == 6:
        options = {"flags": _NO_DAD | _NO_PREFIX_ROUTE, "preferred": 0, "valid": _FOREVER}
    try:
        await route.addr("add", proto=OUR_PROTOCOL, **_spec(link, address), **options)
    except NetlinkError as error:
        if error.code == EEXIST:
            return f"{address} is there already and not ours: remove it, or take it out of the address pools"
        return f"cannot add {address}: {error.args[1]}"
    return None


async def _remove(route: AsyncIPRoute, link: _Link, address: Address) -> str | None:
    """Removes one address, or says why not. One that is gone already is removed."""
    try:
        await route.addr("del", **_spec(link, address))
    except NetlinkError as error:
        if error.code != EADDRNOTAVAIL:
            return f"cannot remove {address}: {error.args[1]}"
    return None


def _spec(link: _Link, address: Address) -> dict[str, Any]:
    return {"index": link.index, "address": str(address), "prefixlen": Family.of(address).bits}


def _sorted(addresses: Iterable[Address]) -> list[Address]:
    return sorted(addresses, key=lambda each: (each.version, int(each)))
