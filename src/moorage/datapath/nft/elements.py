"""Frontends as map elements: keys and values as the kernel compares them, and the difference between two states.

A key is a concatenation of fields, each padded to four bytes (nf_tables registers): addresses and ports in network byte
order, the slot in host byte order because `numgen` counts in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, collapse_addresses
from typing import NamedTuple

import msgspec

from moorage.datapath.nft.ruleset import BACKENDS, CLUSTER_IPS, CLUSTER_SOURCES, DROPPED, FRONTENDS, REJECTED
from moorage.model.net import Address, Family, Prefix, Protocol
from moorage.table.types import Backend, Frontend, FrontendAddress, NoBackend

_PROTOCOL_AND_PORT = struct.Struct(">B3xH2x")
_PORT = struct.Struct(">H2x")
_SLOT = struct.Struct("=I")

_PROTOCOLS = {each.number: each.value.lower() for each in Protocol}

_PICK = "pick-"
_MASQUERADE_PICK = "masq-pick-"


class Element(NamedTuple):
    """One element of a map or set. `value` is empty in sets; in `frontends` it is the name of the chain to go to.

    A key of `cluster_sources` is an interval: its first address and its last one.
    """

    map: str
    key: bytes
    value: bytes = b""

    def __str__(self) -> str:
        if self.map == CLUSTER_SOURCES:
            half = len(self.key) // 2
            return f"{self.map} {_address(self.key[:half])}-{_address(self.key[half:])}"
        if self.map == CLUSTER_IPS:
            return f"{self.map} {_address(self.key)}"
        size = 16 if len(self.key) >= 24 else 4
        number, port = _PROTOCOL_AND_PORT.unpack_from(self.key, size)
        name = f"{self.map} {_address(self.key[:size])} . {_PROTOCOLS.get(number, number)} . {port}"
        if self.map == BACKENDS:
            (slot,) = _SLOT.unpack_from(self.key, size + 8)
            return f"{name} . {slot} : {_address(self.value[:-4])} . {_PORT.unpack_from(self.value, size)[0]}"
        return f"{name} : {self.value.decode()}" if self.value else name


class ElementChanges(msgspec.Struct, frozen=True):
    """What to do to the elements of one family. A changed element is removed and added; removals come first."""

    removed: tuple[Element, ...] = ()
    added: tuple[Element, ...] = ()

    def __len__(self) -> int:
        return len(self.removed) + len(self.added)

    def __str__(self) -> str:
        return "\n".join([*(f"delete {each}" for each in self.removed), *(f"add {each}" for each in self.added)])


class Entry(msgspec.Struct, frozen=True):
    """What the kernel holds for one frontend: packed backends in slot order, or none and what happens then."""

    backends: tuple[bytes, ...] = ()
    masquerade: bool = False
    without_backend: NoBackend = NoBackend.REJECT

    @property
    def chain(self) -> str:
        """The chain that picks among this many backends; empty without any."""
        return chain_name(len(self.backends), self.masquerade) if self.backends else ""


def chain_name(count: int, masquerade: bool) -> str:
    return f"{_MASQUERADE_PICK if masquerade else _PICK}{count}"


def chain_meaning(name: str) -> tuple[int, bool] | None:
    """(number of backends, masquerade) of a pick chain, None for another chain."""
    masquerade = name.startswith(_MASQUERADE_PICK)
    count = name.removeprefix(_MASQUERADE_PICK if masquerade else _PICK)
    return (int(count), masquerade) if count.isdecimal() else None


def frontend_key(match: FrontendAddress) -> bytes:
    """12 bytes in IPv4, 24 in IPv6."""
    return match.address.packed + _PROTOCOL_AND_PORT.pack(match.protocol.number, match.port)


def flow_key(address: bytes, protocol: int, port: int) -> bytes:
    """The same key from the fields of a packet."""
    return address + _PROTOCOL_AND_PORT.pack(protocol, port)


def slot_key(key: bytes, slot: int) -> bytes:
    """The key in `backends` of one slot of a frontend."""
    return key + _SLOT.pack(slot)


def protocol_number(key: bytes) -> int:
    """Of a frontend's key."""
    return key[-8]


def backend_value(backend: Backend) -> bytes:
    return endpoint_value(backend.address.packed, backend.port)


def endpoint_value(address: bytes, port: int) -> bytes:
    """8 bytes in IPv4, 20 in IPv6."""
    return address + _PORT.pack(port)


def own_endpoint(key: bytes) -> bytes:
    """The address and port of a frontend's key, as if it were a backend."""
    return key[:-8] + key[-4:]


def entry(frontend: Frontend, installed: Entry | None) -> Entry:
    """What the kernel should hold for a frontend, with as many backends as possible in the slots they have already."""
    backends = tuple(dict.fromkeys(map(backend_value, frontend.backends)))
    return Entry(assign(installed.backends if installed else (), backends), frontend.masquerade, frontend.without_backend)


def assign(installed: Sequence[bytes], wanted: Sequence[bytes]) -> tuple[bytes, ...]:
    """The wanted backends in slot order: who stays keeps the slot, holes are filled by the new, then by the last ones."""
    if not installed or installed == wanted:
        return tuple(wanted)
    staying = set(wanted)
    slots = [each if each in staying else None for each in installed]
    fresh = iter(sorted(staying.difference(installed)))
    slots += [None] * (len(wanted) - len(slots))
    filled = [each if each is not None else next(fresh, None) for each in slots]
    tail = [each for each in filled[len(wanted) :] if each is not None]
    return tuple(each if each is not None else tail.pop() for each in filled[: len(wanted)])


def elements(key: bytes, entry: Entry | None) -> Iterator[Element]:
    """All elements of one frontend; none for an absent one."""
    if entry is None:
        return
    if not entry.backends:
        yield Element(REJECTED if entry.without_backend is NoBackend.REJECT else DROPPED, key)
        return
    yield Element(FRONTENDS, key, entry.chain.encode())
    for slot, backend in enumerate(entry.backends):
        yield Element(BACKENDS, slot_key(key, slot), backend)


def difference(key: bytes, old: Entry | None, new: Entry | None) -> tuple[list[Element], list[Element]]:
    """(removed, added) elements that lead from one state of a frontend to another; only those that differ."""
    before = list(elements(key, old))
    after = list(elements(key, new))
    if not before or not after:
        return before, after
    keep = set(before) & set(after)
    return [each for each in before if each not in keep], [each for each in after if each not in keep]


def intervals(prefixes: Iterable[Prefix], family: Family) -> set[bytes]:
    """Disjoint intervals that cover the prefixes of one family: first address and last address, neighbours joined."""
    v4 = [each for each in prefixes if each.version == 4]
    v6 = [each for each in prefixes if each.version == 6]
    joined: list[tuple[int, int]] = []
    collapsed = collapse_addresses(v4) if family is Family.IPV4 else collapse_addresses(v6)
    for prefix in collapsed:
        first, last = int(prefix[0]), int(prefix[-1])
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    size = family.bits // 8
    return {first.to_bytes(size, "big") + last.to_bytes(size, "big") for first, last in joined}


def _address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
