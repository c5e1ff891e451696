"""ClusterIPs: a prefix and what is taken of it -> an address, or why not. Source: KEP-3070, KEP-1880."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import msgspec

from moorage.allocate.bands import choose
from moorage.model.net import Address, Prefix

if TYPE_CHECKING:
    from random import Random

FULL = "range is full"
ALREADY_ALLOCATED = "provided IP is already allocated"
MISMATCHED = "the provided network does not match the current range"

SHORTEST_IPV6 = 64
"""The shortest prefix of IPv6 that addresses are given from."""


class AddressRange(msgspec.Struct, frozen=True):
    """The addresses of a Service prefix. The first address is never given; for IPv4 neither is the last (broadcast)."""

    prefix: Prefix

    @classmethod
    def parse(cls, cidr: str) -> AddressRange:
        """Raises ValueError where the text is no prefix, has host bits, or is IPv6 and shorter than 64 bits."""
        prefix = ip_network(cidr)
        if prefix.version == 6 and prefix.prefixlen < SHORTEST_IPV6:
            raise ValueError(f"shortest allowed prefix length for service CIDR is {SHORTEST_IPV6}, got {prefix.prefixlen}")
        return cls(prefix)

    @property
    def size(self) -> int:
        """How many addresses can be given."""
        return max(0, self.prefix.num_addresses - (2 if self.prefix.version == 4 else 1))

    @property
    def static_band(self) -> int:
        """How many of the lowest addresses dynamic choices avoid: min(max(16, size/16), 256), 0 for ranges of up to 16."""
        total = self.prefix.num_addresses
        return 0 if total <= 16 else min(max(16, total // 16), 256)

    def __contains__(self, address: Address) -> bool:
        if address.version != self.prefix.version:
            return False
        offset = int(address) - int(self.prefix.network_address) - 1
        return 0 <= offset < self.size

    def pick(self, taken: Callable[[str], bool], random: Random) -> str | None:
        """A free address as text, or None where the range is full. `taken` tells of an address in its canonical text."""
        first = int(self.prefix.network_address) + 1
        make = type(self.prefix.network_address)

        def free(offset: int) -> bool:
            return not taken(str(make(first + offset)))

        offset = choose(self.size, self.static_band, free, random)
        return None if offset is None else str(make(first + offset))


class AddressRanges(msgspec.Struct, frozen=True):
    """All ranges of one family, in the order in which they are used up. They may overlap: what is taken is taken in all."""

    ranges: tuple[AddressRange, ...] = ()

    def pick(self, taken: Callable[[str], bool], random: Random) -> str | None:
        """A free address of the first range that has one, or None where all are full."""
        for each in self.ranges:
            found = each.pick(taken, random)
            if found is not None:
                return found
        return None

    def refusal(self, text: str, taken: Callable[[str], bool]) -> str | None:
        """Why the asked-for address cannot be given, or None. `text` is a valid address."""
        address = ip_address(text)
        if not any(address in each for each in self.ranges):
            return MISMATCHED
        return ALREADY_ALLOCATED if taken(str(address)) else None
