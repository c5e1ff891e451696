"""Asks the network whether an address is in use: `model.ports.Probes` over raw sockets, on the interface whose subnet has it.

Three questions within 300 ms, for all addresses that wait at the same time. An address in no subnet of this machine cannot be
asked for, and counts as free; so does every one where the kernel allows no raw sockets (CAP_NET_RAW), which is logged.
"""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec
import structlog
from pyroute2 import AsyncIPRoute

from moorage.announce import arp, ndp
from moorage.announce.address_probe import claimed, question
from moorage.model.net import Address, Family, Prefix
from moorage.model.ports import AddressState

QUESTIONS = 3
BETWEEN = 0.1
"""Seconds after each question."""

REMEMBERED = 5.0
"""Seconds that an answer, and what is known of the interfaces, holds."""

MOST_AT_ONCE = 256
"""Addresses that are asked for together: a burst of so many frames fits every queue."""

_UP, _LOOPBACK, _NO_ARP = 0x01, 0x08, 0x80
_FREE, _ASKING = AddressState(), AddressState(asking=True)
_ATTACH_FILTER = 26
_ICMPV6_ONLY = ((0x30, 0, 0, ndp.NEXT_HEADER_AT), (0x15, 0, 1, ndp.ICMPV6), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
"""Classic BPF: the rest of the machine's IPv6 traffic would fill the socket."""

log = structlog.get_logger()


class Subnet(msgspec.Struct, frozen=True):
    """A prefix that is on the link of an interface."""

    prefix: Prefix
    interface: str
    mac: bytes


class AddressProber:
    """Use as `async with AddressProber() as probes`; `state` is called within the running loop. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Address, None] = {}
        self._known: dict[Address, tuple[AddressState, float]] = {}
        self._subnets: tuple[Subnet, ...] = ()
        self._looked = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._complained = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def state(self, address: Address) -> AddressState:
        now = self._clock()
        if address in self._waiting:
            return _ASKING
        state, until = self._known.get(address, (_FREE, now))
        if until > now:
            return state
        if now < self._looked + REMEMBERED and self._subnet_of(address) is None:
            log.debug("an address is in no subnet of this machine, and is not asked for", address=str(address))
            return _FREE
        self._waiting[address] = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._ask_all(), name="address probes")
        return _ASKING

    async def _ask_all(self) -> None:
        """Until nobody waits any more."""
        while self._waiting:
            batch = list(self._waiting)[:MOST_AT_ONCE]
            found: dict[Address, bytes] = {}
            try:
                self._subnets, self._looked = await subnets(), self._clock()
                for each in await asyncio.gather(*(self._ask(*group) for group in self._groups(batch))):
                    found |= each
            except OSError as error:
                self._complain(f"load-balancer addresses are not asked for on the network: {error}; it needs CAP_NET_RAW")
            now = self._clock()
            self._known = {address: each for address, each in self._known.items() if each[1] > now}
            for address in batch:
                self._known[address] = AddressState(found[address].hex(":") if address in found else ""), now + REMEMBERED
                del self._waiting[address]

    def _groups(self, batch: Sequence[Address]) -> list[tuple[Subnet, list[Address]]]:
        """By interface and family."""
        groups: dict[tuple[str, Family], tuple[Subnet, list[Address]]] = {}
        for address in batch:
            subnet = self._subnet_of(address)
            if subnet is not None:
                groups.setdefault((subnet.interface, Family.of(address)), (subnet, []))[1].append(address)
        return list(groups.values())

    def _subnet_of(self, address: Address) -> Subnet | None:
        return next((each for each in self._subnets if address in each.prefix), None)

    async def _ask(self, subnet: Subnet, addresses: Sequence[Address]) -> Mapping[Address, bytes]:
        """Who has which of these. Raises OSError."""
        found: dict[Address, bytes] = {}
        with _socket(subnet, Family.of(addresses[0])) as wire:
            for _ in range(QUESTIONS):
                for address in addresses:
                    if address not in found:
                        await asyncio.get_running_loop().sock_sendall(wire, question(subnet.mac, address))
                until = asyncio.get_running_loop().time() + BETWEEN
                while (frame := await _heard(wire, until)) is not None:
                    claim = claimed(frame, subnet.mac)
                    if claim is not None and claim[0] in addresses:
                        found[claim[0]] = claim[1]
        return found

    def _complain(self, trouble: str) -> None:
        if trouble != self._complained:
            log.warning(trouble)
        self._complained = trouble


async def subnets() -> tuple[Subnet, ...]:
    """What is on the links of this machine, as far as neighbours can be asked there; longer prefixes first."""
    found: list[Subnet] = []
    async with AsyncIPRoute() as route:
        links = {each["index"]: each async for each in await route.get_links()}
        async for each in await route.get_addr():
            link = links.get(each["index"])
            if link is None or link["flags"] & (_LOOPBACK | _NO_ARP) or not link["flags"] & _UP:
                continue
            mac = bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "").replace(":", ""))
            prefix = ipaddress.ip_network(f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}", strict=False)
            if len(mac) == 6 and prefix.prefixlen < prefix.max_prefixlen and not prefix.is_link_local:
                found.append(Subnet(prefix, link.get_attr("IFLA_IFNAME"), mac))
    return tuple(sorted(found, key=lambda each: -each.prefix.prefixlen))


def _socket(subnet: Subnet, family: Family) -> socket.socket:
    """Hears ARP, or ICMPv6, of one interface."""
    protocol = arp.ETHERTYPE if family is Family.IPV4 else ndp.ETHERTYPE
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        wire.setblocking(False)
        if family is Family.IPV6:
            program = b"".join(struct.pack("HBBI", *each) for each in _ICMPV6_ONLY)
            code = ctypes.create_string_buffer(program)
            wire.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_ICMPV6_ONLY), ctypes.addressof(code)))
        wire.bind((subnet.interface, protocol))
    except OSError:
        wire.close()
        raise
    return wire


async def _heard(wire: socket.socket, until: float) -> bytes | None:
    """The next frame, None at that time of the loop's clock."""
    try:
        async with asyncio.timeout_at(until):
            return await asyncio.get_running_loop().sock_recv(wire, 2048)
    except TimeoutError:
        return None
