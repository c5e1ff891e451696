"""What a pool promises to Services by name: annotations of an IPAddressPool, which MetalLB does not read.

    moorage.dev/reservations: shop/web=192.0.2.7, shop/web=2001:db8::7, shop/api=192.0.2.8
    moorage.dev/retention: 24h
    moorage.dev/retained: shop/old=192.0.2.9@2026-01-02T03:04:05Z

A reserved address is given to nobody else. With a retention, an address that a deleted Service had is kept for a Service of its
name until the time is over or the address is needed; `retained` is where the controller writes these down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from moorage.allocate.pools import Pool
from moorage.model.clock import parse_timestamp, timestamp
from moorage.model.durations import parse_duration
from moorage.model.meta import Key
from moorage.model.net import Address, parse_address

RESERVATIONS_ANNOTATION = "moorage.dev/reservations"
RETENTION_ANNOTATION = "moorage.dev/retention"
RETAINED_ANNOTATION = "moorage.dev/retained"

MOST_RETAINED = 500
"""Services that a pool remembers: at most 100 kB of the 256 KiB that an object's annotations may have."""


class Retained(msgspec.Struct, frozen=True):
    """What a Service had that is gone. `until` is in whole seconds since the epoch."""

    addresses: tuple[Address, ...]
    until: float


class Promises(msgspec.Struct, frozen=True):
    """`reserved`: for whom an address is; several Services may share one. `retention`: seconds, None for none.

    `errors` says what could not be read, with the annotation's name; the rest counts all the same.
    """

    reserved: Mapping[Address, frozenset[Key]] = {}
    retention: float | None = None
    retained: Mapping[Key, Retained] = {}
    errors: tuple[str, ...] = ()


def read_promises(annotations: Mapping[str, str], usable: Callable[[Address], bool]) -> Promises:
    """`usable` is whether the pool would give an address out (`Pool.usable`)."""
    errors: list[str] = []
    reserved: dict[Address, set[Key]] = {}
    for key, address in _pairs(annotations.get(RESERVATIONS_ANNOTATION, ""), RESERVATIONS_ANNOTATION, errors):
        if usable(address):
            reserved.setdefault(address, set()).add(key)
        else:
            errors.append(f"{RESERVATIONS_ANNOTATION}: the address {address} is not one that the pool gives out")
    retention = None
    if (text := annotations.get(RETENTION_ANNOTATION, "")) and not (retention := parse_duration(text)):
        errors.append(f'{RETENTION_ANNOTATION}: "{text}" is no time: write 24h or 30m')
    retained = read_retained(annotations.get(RETAINED_ANNOTATION, "")) if retention else {}
    return Promises({key: frozenset(each) for key, each in reserved.items()}, retention or None, retained, tuple(errors))


def promises_of(pool: Pool, annotations: Mapping[str, str]) -> Promises:
    return read_promises(annotations, pool.usable)


def read_retained(text: str) -> Mapping[Key, Retained]:
    """What cannot be read is left out: it is our own writing, and a wish at most."""
    found: dict[Key, Retained] = {}
    for part in text.split(","):
        pair, _, until = part.strip().partition("@")
        for key, address in _pairs(pair, "", []):
            try:
                ends = parse_timestamp(until)
            except ValueError:
                continue
            before = found[key].addresses if key in found else ()
            found[key] = Retained((*before, address), ends)
    return found


def write_retained(retained: Mapping[Key, Retained]) -> str:
    """Those that end last, sorted by name; what `read_retained` reads."""
    kept = sorted(retained.items(), key=lambda each: (-each[1].until, each[0]))[:MOST_RETAINED]
    parts = (f"{key}={address}@{timestamp(each.until)}" for key, each in sorted(kept) for address in each.addresses)
    return ", ".join(parts)


def _pairs(text: str, name: str, errors: list[str]) -> Iterable[tuple[Key, Address]]:
    """`NAMESPACE/NAME=ADDRESS, ...`"""
    for part in (each.strip() for each in text.split(",")):
        if not part:
            continue
        who, _, where = (each.strip() for each in part.partition("="))
        namespace, _, service = who.partition("/")
        address = parse_address(where)
        if namespace and service and "/" not in service and address is not None:
            yield Key(namespace, service), address
        else:
            errors.append(f'{name}: "{part}" is no reservation: write NAMESPACE/NAME=ADDRESS')
