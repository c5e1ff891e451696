"""What the kernel lists of a map -> elements. Source: `linux/netfilter/nf_tables.h`."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from moorage.datapath import netlink
from moorage.datapath.netlink import Reply
from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.messages import (
    DATA_VALUE,
    DATA_VERDICT,
    ELEM_DATA,
    ELEM_FLAGS,
    ELEM_KEY,
    ELEM_KEY_END,
    INTERVAL_END,
    LIST_ELEMENTS,
    VERDICT_CHAIN,
)  # fmt: skip
from moorage.datapath.nft.spaces import MAPS, Shape


def read_elements(map_: str, listing: Iterable[Reply]) -> list[Element]:
    """The elements of one map. Raises ValueError where the kernel's bytes are not what this reads."""
    blocks = [dict(netlink.attributes(reply.body)).get(LIST_ELEMENTS, b"") for reply in listing]
    shape = MAPS[map_].shape
    if shape is Shape.INTERVAL:
        return _read_intervals(map_, blocks)
    if shape is Shape.DATA:
        return [element for block in blocks for element in _read_rows(map_, block)]
    return [_read_element(map_, item) for block in blocks for _, item in netlink.attributes(block)]


def _read_rows(map_: str, block: bytes) -> Iterator[Element]:
    """Elements of one message that have plain values: all have the same length, and are cut at fixed places."""
    first = next(netlink.attributes(block), None)
    if first is None:
        return
    element = _read_element(map_, first[1])
    row = struct.Struct(f"12s{len(element.key)}s8s{len(element.value)}s")
    if len(first[1]) + 4 != row.size or len(block) % row.size:
        raise ValueError(f"elements of {map_} have an unknown shape")
    for _, key, _, value in row.iter_unpack(block):
        yield Element(map_, key, value)


def _read_element(map_: str, item: bytes) -> Element:
    fields = dict(netlink.attributes(item))
    key = _value(fields[ELEM_KEY])
    if MAPS[map_].shape in (Shape.BOX, Shape.BOX_VERDICT):
        key += _value(fields[ELEM_KEY_END]) if ELEM_KEY_END in fields else key
    data = fields.get(ELEM_DATA)
    if data is None:
        return Element(map_, key)
    if MAPS[map_].shape is Shape.DATA:
        return Element(map_, key, _value(data))
    goto = dict(netlink.attributes(dict(netlink.attributes(data))[DATA_VERDICT]))
    return Element(map_, key, goto.get(VERDICT_CHAIN, b"?").rstrip(b"\0"))


def _read_intervals(map_: str, blocks: Iterable[bytes]) -> list[Element]:
    bounds = []
    for block in blocks:
        for _, item in netlink.attributes(block):
            fields = dict(netlink.attributes(item))
            end = int.from_bytes(fields.get(ELEM_FLAGS, b""), "big") & INTERVAL_END
            bounds.append((_value(fields[ELEM_KEY]), not end))
    found = []
    bounds.sort()
    for index, (first, starts) in enumerate(bounds):
        if not starts:
            continue
        behind = bounds[index + 1][0] if index + 1 < len(bounds) else b""
        last = (int.from_bytes(behind, "big") - 1).to_bytes(len(first), "big") if behind else b"\xff" * len(first)
        found.append(Element(map_, first + last))
    return found


def _value(data: bytes) -> bytes:
    return dict(netlink.attributes(data))[DATA_VALUE]
