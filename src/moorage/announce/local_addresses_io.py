"""Addresses of this machine: the one that the kernel would talk to a router from, and those on the same interface."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pyroute2 import AsyncIPRoute

from moorage.model.errors import HostError
from moorage.model.net import Address, Family, parse_address

_DEPRECATED = 0x20
"""IFA_F_DEPRECATED: not to be used for anything new."""
_UNIVERSE = 0
_ANY_PORT = 179
"""Nothing is sent there."""


def source_to(address: Address) -> Address:
    """The address of this machine that the kernel's routes choose for packets to another. Raises HostError."""
    kind = socket.AF_INET if Family.of(address) is Family.IPV4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(address), _ANY_PORT))
        except OSError as error:
            raise HostError(f"no route to {address}: {error.strerror}") from error
        found = parse_address(asking.getsockname()[0])
    if found is None:
        raise HostError(f"no address of this machine to reach {address} from")
    return found


async def beside(address: Address) -> Mapping[Family, Address]:
    """An address of each family on the interface that has this one, as far as there are; this one for its own."""
    async with AsyncIPRoute() as route:
        entries = [each async for each in await route.get_addr()]
    index = next((each["index"] for each in entries if parse_address(each.get_attr("IFA_ADDRESS")) == address), None)
    found: dict[Family, Address] = {Family.of(address): address}
    for each in entries:
        other = parse_address(each.get_attr("IFA_ADDRESS"))
        usable = each["scope"] == _UNIVERSE and not each["flags"] & _DEPRECATED
        if each["index"] == index and usable and other is not None:
            found.setdefault(Family.of(other), other)
    return found
