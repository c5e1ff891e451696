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


class AddressRange(msgspec.Struct, frozen=True):
    """The addresses of a Service prefix. The first address is never given; for IPv4 neither is the last (broadcast)."""

    prefix: Prefix

    @classmethod
    def parse(cls, cidr: str) -> AddressRange:
        """Raises ValueError where the text is no prefix, or one with host bits."""
        return cls(ip_network(cidr))

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

    def refusal(self, text: str, taken: Callable[[str], bool]) -> str | None:
        """Why the asked-for address cannot be given, or None. `text` is a valid address."""
        address = ip_address(text)
        if address not in self:
            return f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {self.prefix}"
        return ALREADY_ALLOCATED if taken(str(address)) else None
