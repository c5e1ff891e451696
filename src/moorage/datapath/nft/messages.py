"""Changes of an nf_tables table as netlink messages, and listings back as values. Source: `linux/netfilter/nf_tables.h`.

Elements of one map travel together, as many as fit into one message: the attribute that holds them counts its length in
16 bits, which is about 1,400 backends in IPv4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.datapath.nft.elements import Element, ElementChanges
from moorage.datapath.nft.ruleset import CLUSTER_SOURCES, FRONTENDS
from moorage.model.net import Family

_GETTABLE, _DELTABLE = 1, 2
_GETCHAIN = 4
_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14

_TABLE_NAME, _TABLE_USERDATA = 1, 6
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_LIST_ELEM = 1
_ELEM_KEY, _ELEM_DATA, _ELEM_FLAGS = 1, 2, 3
_DATA_VALUE, _DATA_VERDICT = 1, 2
_VERDICT_CODE, _VERDICT_CHAIN = 1, 2
_INTERVAL_END = 1
_GOTO = -4

_CHUNK_BYTES = 60_000
"""How much a message carries in elements: below the 65,535 that a netlink attribute can hold."""


class Table(NamedTuple):
    """An nf_tables table: its name is unique within the family."""

    family: Family
    name: str


def request(table: Table, kind: int, flags: int, body: bytes) -> bytes:
    return netlink.message(netlink.SUBSYSTEM_NFTABLES << 8 | kind, flags, netlink.NFPROTO[table.family], body)


def verdict(chain: str) -> bytes:
    """The value "go to that chain" (`NFT_GOTO`: what follows the jump is not evaluated)."""
    return netlink.nested(_DATA_VERDICT, netlink.be32(_VERDICT_CODE, _GOTO), netlink.text(_VERDICT_CHAIN, chain))


def element_messages(table: Table, changes: ElementChanges) -> list[Message]:
    """Removals, then additions. An addition of what is there (EEXIST) or a removal of what is not (ENOENT) is refused."""
    removals = _element_messages(table, _DELSETELEM, 0, "delete", changes.removed)
    return [*removals, *_element_messages(table, _NEWSETELEM, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, "add", changes.added)]


def delete_table(table: Table) -> Message:
    body = netlink.text(_TABLE_NAME, table.name)
    return Message(request(table, _DELTABLE, 0, body), f"delete table {table.name} ({table.family.value})")


def list_tables(family: Family) -> Message:
    return Message(request(Table(family, ""), _GETTABLE, netlink.NLM_F_DUMP, b""), f"list the tables of {family.value}")


def list_chains(family: Family) -> Message:
    return Message(request(Table(family, ""), _GETCHAIN, netlink.NLM_F_DUMP, b""), f"list the chains of {family.value}")


def list_elements(table: Table, map_: str) -> Message:
    body = netlink.text(_LIST_TABLE, table.name) + netlink.text(_LIST_SET, map_)
    return Message(request(table, _GETSETELEM, netlink.NLM_F_DUMP, body), f"list {map_} of {table.name} ({table.family.value})")


def read_layout(table: Table, listing: Iterable[Reply]) -> bytes | None:
    """The user data (with the comment in it) of a table among those listed, None where it is not there."""
    for reply in listing:
        fields = dict(netlink.attributes(reply.body))
        if _string(fields[_TABLE_NAME]) == table.name:
            return fields.get(_TABLE_USERDATA, b"")
    return None


def read_chains(table: Table, listing: Iterable[Reply]) -> set[str]:
    chains = (dict(netlink.attributes(reply.body)) for reply in listing)
    return {_string(fields[_CHAIN_NAME]) for fields in chains if _string(fields[_CHAIN_TABLE]) == table.name}


def read_elements(map_: str, listing: Iterable[Reply]) -> list[Element]:
    """The elements of one map. Raises ValueError where the kernel's bytes are not what this reads."""
    blocks = [dict(netlink.attributes(reply.body)).get(_LIST_ELEMENTS, b"") for reply in listing]
    if map_ == CLUSTER_SOURCES:
        return _read_intervals(blocks)
    return [element for block in blocks for element in _read_block(map_, block)]


def _element_messages(table: Table, kind: int, flags: int, verb: str, elements: Sequence[Element]) -> Iterator[Message]:
    opening = netlink.text(_LIST_TABLE, table.name)
    for map_, group in groupby(sorted(elements, key=attrgetter("map")), key=attrgetter("map")):
        pack = _pack_key if kind == _DELSETELEM else _pack_element
        prefix = opening + netlink.text(_LIST_SET, map_)
        for chunk in _chunks([pack(each) for each in group]):
            body = prefix + netlink.nested(_LIST_ELEMENTS, *chunk)
            yield Message(request(table, kind, flags, body), f"{verb} {len(chunk)} of {map_} ({table.family.value})")


def _chunks(packed: list[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for each in packed:
        if size + len(each) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += len(each)
    if chunk:
        yield chunk


def _pack_key(element: Element) -> bytes:
    if element.map == CLUSTER_SOURCES:
        return _pack_interval(element.key)
    return netlink.nested(_LIST_ELEM, netlink.nested(_ELEM_KEY, netlink.attribute(_DATA_VALUE, element.key)))


def _pack_element(element: Element) -> bytes:
    if not element.value:
        return _pack_key(element)
    if element.map == FRONTENDS:
        key = netlink.nested(_ELEM_KEY, netlink.attribute(_DATA_VALUE, element.key))
        return netlink.nested(_LIST_ELEM, key, netlink.nested(_ELEM_DATA, verdict(element.value.decode())))
    head, middle = _frame(len(element.key), len(element.value))
    return head + element.key + middle + element.value


_FRAMES: dict[tuple[int, int], tuple[bytes, bytes]] = {}


def _frame(key: int, value: int) -> tuple[bytes, bytes]:
    """The attribute headers before a key and before a value of these lengths (multiples of four): made once, used often."""
    if (key, value) not in _FRAMES:
        keyed = netlink.nested(_ELEM_KEY, netlink.attribute(_DATA_VALUE, bytes(key)))
        whole = netlink.nested(_LIST_ELEM, keyed, netlink.nested(_ELEM_DATA, netlink.attribute(_DATA_VALUE, bytes(value))))
        _FRAMES[key, value] = whole[:12], whole[12 + key : -value]
    return _FRAMES[key, value]


def _pack_interval(key: bytes) -> bytes:
    """Two elements: where the interval starts, and the first address behind it (none behind the last of all)."""
    size = len(key) // 2
    start = netlink.nested(_LIST_ELEM, netlink.nested(_ELEM_KEY, netlink.attribute(_DATA_VALUE, key[:size])))
    last = int.from_bytes(key[size:], "big")
    if last == (1 << 8 * size) - 1:
        return start
    behind = netlink.attribute(_DATA_VALUE, (last + 1).to_bytes(size, "big"))
    end = netlink.nested(_LIST_ELEM, netlink.nested(_ELEM_KEY, behind), netlink.be32(_ELEM_FLAGS, _INTERVAL_END))
    return start + end


def _read_intervals(blocks: Iterable[bytes]) -> list[Element]:
    bounds = []
    for block in blocks:
        for _, item in netlink.attributes(block):
            fields = dict(netlink.attributes(item))
            end = int.from_bytes(fields.get(_ELEM_FLAGS, b""), "big") & _INTERVAL_END
            bounds.append((_value(fields[_ELEM_KEY]), not end))
    found = []
    bounds.sort()
    for index, (first, starts) in enumerate(bounds):
        if not starts:
            continue
        behind = bounds[index + 1][0] if index + 1 < len(bounds) else b""
        last = (int.from_bytes(behind, "big") - 1).to_bytes(len(first), "big") if behind else b"\xff" * len(first)
        found.append(Element(CLUSTER_SOURCES, first + last))
    return found


def _read_block(map_: str, block: bytes) -> Iterator[Element]:
    """Elements of one message. Those with plain values all have the same length and are cut at fixed places."""
    items = netlink.attributes(block)
    first = next(items, None)
    if first is None:
        return
    element, item = _read_element(map_, first[1]), first[1]
    if map_ == FRONTENDS or not element.value:
        yield element
        for _, item in items:
            yield _read_element(map_, item)
        return
    row = struct.Struct(f"12s{len(element.key)}s8s{len(element.value)}s")
    if len(item) + 4 != row.size or len(block) % row.size:
        raise ValueError(f"elements of {map_} have an unknown shape")
    for _, key, _, value in row.iter_unpack(block):
        yield Element(map_, key, value)


def _read_element(map_: str, item: bytes) -> Element:
    fields = dict(netlink.attributes(item))
    key = _value(fields[_ELEM_KEY])
    data = fields.get(_ELEM_DATA)
    if data is None:
        return Element(map_, key)
    if map_ == FRONTENDS:
        goto = dict(netlink.attributes(dict(netlink.attributes(data))[_DATA_VERDICT]))
        return Element(map_, key, goto.get(_VERDICT_CHAIN, b"?").rstrip(b"\0"))
    return Element(map_, key, _value(data))


def _value(data: bytes) -> bytes:
    return dict(netlink.attributes(data))[_DATA_VALUE]


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
