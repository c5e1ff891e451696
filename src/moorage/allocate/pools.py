"""Load-balancer pools: an IPAddressPool's texts -> ranges of addresses -> a free one. Pure; used by control and registry.

Source: MetalLB `IPAddressPool` (v1beta1): prefixes and ranges, IPv4 and IPv6, `autoAssign`, `avoidBuggyIPs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import msgspec

from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.net import Address, Family


class AddressSpan(msgspec.Struct, frozen=True):
    """All addresses from `first` to `last`, both included, of one family. `text` is what the pool says."""

    first: Address
    last: Address
    text: str

    @property
    def family(self) -> Family:
        return Family.of(self.first)

    @property
    def size(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, other: AddressSpan) -> bool:
        same_family = self.first.version == other.first.version
        return same_family and int(self.first) <= int(other.last) and int(other.first) <= int(self.last)

    def addresses(self, skip: int = 0) -> Iterator[Address]:
        """In order, without the first `skip`, made one by one: an IPv6 span can be larger than memory."""
        make: type[Address] = IPv4Address if self.first.version == 4 else IPv6Address
        return (make(number) for number in range(int(self.first) + skip, int(self.last) + 1))


def parse_span(text: str) -> AddressSpan:
    """`10.0.0.0/24`, or `10.0.0.1-10.0.0.9` with blanks around the dash. Raises ValueError in MetalLB's words.

    A prefix with host bits stands for its whole network, as in MetalLB.
    """
    if "-" not in text:
        try:
            prefix = ip_network(text, strict=False) if "/" in text else None
        except ValueError:
            prefix = None
        if prefix is None:
            raise ValueError(f'invalid CIDR "{text}"')
        return AddressSpan(prefix.network_address, prefix.broadcast_address, text)
    start, _, end = (part.strip() for part in text.partition("-"))
    first = _bound(text, "start", start)
    last = _bound(text, "end", end)
    if first.version != last.version:
        raise ValueError(f'invalid IP range "{text}": start and end are of different families')
    if int(first) > int(last):
        raise ValueError(f'invalid IP range "{text}": start IP "{first}" is after the end IP "{last}"')
    return AddressSpan(first, last, text)


def _bound(text: str, which: str, part: str) -> Address:
    try:
        return ip_address(part)
    except ValueError as error:
        raise ValueError(f'invalid IP range "{text}": invalid {which} IP "{part}"') from error


class Pool(msgspec.Struct, frozen=True):
    """An IPAddressPool with its texts understood. With `avoid_buggy`, IPv4 addresses ending in .0 and .255 are passed over."""

    key: Key
    spans: tuple[AddressSpan, ...]
    auto_assign: bool = True
    avoid_buggy: bool = False

    @classmethod
    def of(cls, obj: IPAddressPool) -> Pool:
        """Raises ValueError where an address text is invalid; the API refuses such pools."""
        spec = obj.spec
        return cls(obj.key, tuple(map(parse_span, spec.addresses)), spec.auto_assign is not False, spec.avoid_buggy_ips)

    def usable(self, address: Address) -> bool:
        """Whether the pool would give this address out."""
        return any(address in span for span in self.spans) and not (self.avoid_buggy and is_buggy(address))

    def addresses(self, family: Family, skip: int = 0) -> Iterator[Address]:
        """All of a family, in the order of the pool's texts, also those that are passed over; without the first `skip`."""
        for span in self.spans:
            if span.family is family:
                yield from span.addresses(skip)
                skip = max(0, skip - span.size)

    def pick(self, family: Family, taken: Callable[[Address], bool], skip: int = 0) -> Address | None:
        """The first free address of `addresses`; None where the pool has none left."""
        for address in self.addresses(family, skip):
            if not (self.avoid_buggy and is_buggy(address)) and not taken(address):
                return address
        return None

    def capacity(self, family: Family) -> int:
        """How many addresses of a family the pool can give in all."""
        spans = [span for span in self.spans if span.family is family]
        return sum(span.size - (_buggy_in(span) if self.avoid_buggy else 0) for span in spans)


def is_buggy(address: Address) -> bool:
    """Whether old firmware mistakes the address for a network or broadcast address: IPv4 ending in .0 or .255."""
    return address.version == 4 and int(address) & 0xFF in (0, 0xFF)


def _buggy_in(span: AddressSpan) -> int:
    """How many addresses of an IPv4 span end in .0 or .255."""
    if span.family is not Family.IPV4:
        return 0
    first, last = int(span.first), int(span.last)

    def ending_in(octet: int) -> int:
        return (last - octet) // 256 - (first - octet - 1) // 256

    return ending_in(0) + ending_in(0xFF)


def overlaps(pool: Pool, other: Pool) -> tuple[AddressSpan, AddressSpan] | None:
    """The first two spans, one of each pool, that share an address."""
    for span in pool.spans:
        for theirs in other.spans:
            if span.overlaps(theirs):
                return span, theirs
    return None
