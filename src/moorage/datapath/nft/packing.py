"""Changes of elements -> netlink messages.

Elements of one map travel together, as many as fit into one message: the attribute that holds them counts its length in
16 bits, which is about 1,400 backends in IPv4. Source: `linux/netfilter/nf_tables.h`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import add, attrgetter

from moorage.datapath import netlink
from moorage.datapath.netlink import Message
from moorage.datapath.nft.chains import GOTO, INSIDE
from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.elements import Element, Place, number
from moorage.datapath.nft.entry import Entry, frame, side_elements
from moorage.datapath.nft.messages import (
    DATA_VALUE,
    DATA_VERDICT,
    ELEM_DATA,
    ELEM_FLAGS,
    ELEM_KEY,
    ELEM_KEY_END,
    INTERVAL_END,
    LIST_ELEM,
    VERDICT_CHAIN,
    VERDICT_CODE,
    Table,
    add_elements,
    delete_all_elements,
    delete_elements,
)  # fmt: skip
from moorage.datapath.nft.spaces import BACKENDS, MAPS, Shape, Space

Packer = Callable[[Element], bytes]

_CHUNK_BYTES = 60_000
"""How much a message carries in elements: below the 65,535 that a netlink attribute can hold."""


def element_messages(table: Table, changes: ElementChanges) -> list[Message]:
    """Removals, then additions. An addition of what is there (EEXIST) or a removal of what is not (ENOENT) is refused."""
    added = [*changes.added, *_one_by_one(changes.fresh)]
    messages = [delete_all_elements(table, name) for name in MAPS] if changes.anew else []
    messages += [delete_elements(table, name, chunk) for name, chunk in _grouped(changes.removed, _pack_key)]
    messages += [add_elements(table, name, b"".join(chunk), len(chunk)) for name, chunk in _grouped(added, _pack_element)]
    for space in Space:
        messages += _backend_messages(table, space, [each for each in changes.fresh if each[0].space is space])
    return messages


def _grouped(elements: Iterable[Element], pack: Packer) -> Iterator[tuple[str, list[bytes]]]:
    """Packed elements by map, in chunks that one message can hold."""
    for name, group in groupby(sorted(elements, key=attrgetter("map")), key=attrgetter("map")):
        chunk: list[bytes] = []
        size = 0
        for packed in map(pack, group):
            if size + len(packed) > _CHUNK_BYTES:
                yield name, chunk
                chunk, size = [], 0
            chunk.append(packed)
            size += len(packed)
        if chunk:
            yield name, chunk


def _one_by_one(fresh: Iterable[tuple[Place, Entry]]) -> Iterator[Element]:
    """The elements of new frontends that `_backend_messages` leaves out."""
    for place, entry in fresh:
        yield from frame(place, entry)
        for offset, side in ((0, entry.outside), (INSIDE, entry.inside)):
            if side.seats:
                yield from side_elements(place, offset, side)


def _backend_messages(table: Table, space: Space, fresh: Sequence[tuple[Place, Entry]]) -> Iterator[Message]:
    """The backends of new frontends. All rows have the same length, so that they are joined once and cut anywhere."""
    name = space.map(BACKENDS)
    rows = b"".join(
        _rows(place, offset, side.slots)
        for place, entry in fresh
        for offset, side in ((0, entry.outside), (INSIDE, entry.inside))
        if side.slots and not side.seats
    )
    if not rows:
        return
    length = _row_length(space, table)
    step = _CHUNK_BYTES // length * length
    for start in range(0, len(rows), step):
        packed = rows[start : start + step]
        yield add_elements(table, name, packed, len(packed) // length)


def _rows(place: Place, offset: int, slots: Sequence[bytes]) -> bytes:
    """The elements of these slots: header, key, slot, header, endpoint, padding."""
    space, key = place
    padding = b"" if space is Space.RANGE else bytes(2)
    endpoints = [each[:-2] for each in slots] if space is Space.RANGE else slots
    head, middle = _headers(len(key) + 4, len(endpoints[0]) + len(padding))
    start = head + key
    rows = map(add, _numbers(offset, len(slots), middle), endpoints)
    return start + (padding + start).join(rows) + padding


@lru_cache(maxsize=256)
def _numbers(offset: int, count: int, suffix: bytes) -> tuple[bytes, ...]:
    """What is equal in the rows of all frontends of one size."""
    return tuple([number(slot) + suffix for slot in range(offset, offset + count)])


def _row_length(space: Space, table: Table) -> int:
    address = table.family.bits // 8
    key = {Space.ADDRESS: address + 8, Space.NODE_PORT: 8, Space.RANGE: address + 4}[space] + 4
    value = address if space is Space.RANGE else address + 4
    return len(b"".join(_headers(key, value))) + key + value


@lru_cache
def _headers(key: int, value: int) -> tuple[bytes, bytes]:
    """The attribute headers before a key and before a value of these lengths (multiples of four)."""
    keyed = netlink.nested(ELEM_KEY, netlink.attribute(DATA_VALUE, bytes(key)))
    whole = netlink.nested(LIST_ELEM, keyed, netlink.nested(ELEM_DATA, netlink.attribute(DATA_VALUE, bytes(value))))
    return whole[:12], whole[12 + key : -value]


def _pack_element(element: Element) -> bytes:
    shape = MAPS[element.map].shape
    if shape is Shape.DATA:
        data = netlink.nested(ELEM_DATA, netlink.attribute(DATA_VALUE, element.value))
        return netlink.nested(LIST_ELEM, _key(ELEM_KEY, element.key), data)
    if shape in (Shape.VERDICT, Shape.BOX_VERDICT):
        goto = netlink.be32(VERDICT_CODE, GOTO), netlink.attribute(VERDICT_CHAIN, element.value + b"\0")
        return netlink.nested(LIST_ELEM, *_ends(element), netlink.nested(ELEM_DATA, netlink.nested(DATA_VERDICT, *goto)))
    return _pack_key(element)


def _pack_key(element: Element) -> bytes:
    if MAPS[element.map].shape is Shape.INTERVAL:
        return _pack_interval(element.key)
    return netlink.nested(LIST_ELEM, *_ends(element))


def _ends(element: Element) -> tuple[bytes, ...]:
    """The key, or where it is a box its lower and its upper end."""
    if MAPS[element.map].shape not in (Shape.BOX, Shape.BOX_VERDICT):
        return (_key(ELEM_KEY, element.key),)
    half = len(element.key) // 2
    return _key(ELEM_KEY, element.key[:half]), _key(ELEM_KEY_END, element.key[half:])


def _key(attribute: int, key: bytes) -> bytes:
    return netlink.nested(attribute, netlink.attribute(DATA_VALUE, key))


def _pack_interval(key: bytes) -> bytes:
    """Two elements: where the interval starts, and the first address behind it (none behind the last of all)."""
    size = len(key) // 2
    start = netlink.nested(LIST_ELEM, _key(ELEM_KEY, key[:size]))
    last = int.from_bytes(key[size:], "big")
    if last == (1 << 8 * size) - 1:
        return start
    behind = _key(ELEM_KEY, (last + 1).to_bytes(size, "big"))
    return start + netlink.nested(LIST_ELEM, behind, netlink.be32(ELEM_FLAGS, INTERVAL_END))
