"""Requests about an nf_tables table as netlink messages, and what the kernel lists of tables and chains.

Elements are packed by `packing` and read by `listing`. Source: `linux/netfilter/nf_tables.h`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.model.net import Family

_GETTABLE, _DELTABLE = 1, 2
_GETCHAIN = 4
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _GETGEN = 12, 13, 14, 16

_TABLE_NAME, _TABLE_USERDATA = 1, 6
_CHAIN_TABLE, _CHAIN_NAME = 1, 3

LIST_TABLE, LIST_SET, LIST_ELEMENTS = 1, 2, 3
"""Attributes of a message about elements (`enum nft_set_elem_list_attributes`)."""
LIST_ELEM = 1
ELEM_KEY, ELEM_DATA, ELEM_FLAGS, ELEM_EXPR, ELEM_KEY_END = 1, 2, 3, 7, 10
"""Attributes of an element (`enum nft_set_elem_attributes`)."""
DATA_VALUE, DATA_VERDICT = 1, 2
VERDICT_CODE, VERDICT_CHAIN = 1, 2
INTERVAL_END = 1
"""Flag of an element that is where an interval ends."""


class Table(NamedTuple):
    """An nf_tables table: its name is unique within the family."""

    family: Family
    name: str


def request(table: Table, kind: int, flags: int, body: bytes) -> bytes:
    return netlink.message(netlink.SUBSYSTEM_NFTABLES << 8 | kind, flags, netlink.NFPROTO[table.family], body)


def delete_table(table: Table) -> Message:
    body = netlink.text(_TABLE_NAME, table.name)
    return Message(request(table, _DELTABLE, 0, body), f"delete table {table.name} ({table.family.value})")


def list_tables(family: Family) -> Message:
    return Message(request(Table(family, ""), _GETTABLE, netlink.NLM_F_DUMP, b""), f"list the tables of {family.value}")


def list_chains(family: Family) -> Message:
    return Message(request(Table(family, ""), _GETCHAIN, netlink.NLM_F_DUMP, b""), f"list the chains of {family.value}")


def list_elements(table: Table, map_: str) -> Message:
    body = netlink.text(LIST_TABLE, table.name) + netlink.text(LIST_SET, map_)
    return Message(request(table, _GETSETELEM, netlink.NLM_F_DUMP, body), f"list {map_} of {table.name} ({table.family.value})")


def add_elements(table: Table, name: str, packed: bytes, count: int) -> Message:
    """Refused with EEXIST where one of them is there. `packed` are elements as attributes, below 64 KiB."""
    flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
    return _elements_message(table, _NEWSETELEM, flags, name, packed, f"add {count} of {name}")


def delete_elements(table: Table, name: str, packed: Sequence[bytes]) -> Message:
    """Refused with ENOENT where one of them is not there."""
    return _elements_message(table, _DELSETELEM, 0, name, b"".join(packed), f"delete {len(packed)} of {name}")


def delete_all_elements(table: Table, name: str) -> Message:
    body = netlink.text(LIST_TABLE, table.name) + netlink.text(LIST_SET, name)
    return Message(request(table, _DELSETELEM, 0, body), f"delete all of {name} ({table.family.value})")


def _elements_message(table: Table, kind: int, flags: int, name: str, packed: bytes, what: str) -> Message:
    body = netlink.text(LIST_TABLE, table.name) + netlink.text(LIST_SET, name) + netlink.nested(LIST_ELEMENTS, packed)
    return Message(request(table, kind, flags, body), f"{what} ({table.family.value})")


def ask_generation() -> Message:
    """The number that each transaction raises by one, in every table of the namespace."""
    return Message(netlink.message(netlink.SUBSYSTEM_NFTABLES << 8 | _GETGEN, 0, 0), "ask for the generation")


def read_layout(table: Table, listing: Iterable[Reply]) -> bytes | None:
    """The user data (with the comment in it) of a table among those listed, None where it is not there."""
    for reply in listing:
        fields = dict(netlink.attributes(reply.body))
        if _string(fields[_TABLE_NAME]) == table.name:
            return fields.get(_TABLE_USERDATA, b"")
    return None


def read_chains(table: Table, listing: Iterable[Reply]) -> set[str]:
    return read_all_chains(listing).get(table.name, set())


def read_all_chains(listing: Iterable[Reply]) -> dict[str, set[str]]:
    """The names of the chains of every table of a family, by table."""
    found: dict[str, set[str]] = {}
    for reply in listing:
        fields = dict(netlink.attributes(reply.body))
        found.setdefault(_string(fields[_CHAIN_TABLE]), set()).add(_string(fields[_CHAIN_NAME]))
    return found


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
