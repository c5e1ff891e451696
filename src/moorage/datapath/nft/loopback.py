"""Loopback addresses among those at which NodePorts are served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from moorage.model.net import Prefix, collapsed

LOOPBACK = IPv4Network("127.0.0.0/8")


def at_loopback(served: Iterable[Prefix]) -> bool:
    """Whether some are IPv4 loopback addresses. In IPv6, ::1 needs nothing."""
    return any(isinstance(each, IPv4Network) and each.overlaps(LOOPBACK) for each in served)


def without_loopback(served: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """The others, in the fewest prefixes."""
    return collapsed(part for each in served for part in _outside(each))


def _outside(prefix: Prefix) -> Iterator[Prefix]:
    if not isinstance(prefix, IPv4Network) or not prefix.overlaps(LOOPBACK):
        yield prefix
    elif not prefix.subnet_of(LOOPBACK):
        yield from prefix.address_exclude(LOOPBACK)
