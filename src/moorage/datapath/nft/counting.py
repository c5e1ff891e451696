"""Listings of the sets that the kernel fills with counters -> what they count.

Source: `linux/netfilter/nf_tables.h` (NFTA_SET_ELEM_EXPR, NFTA_COUNTER_BYTES).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage.datapath import netlink
from moorage.datapath.counts import Amount, Pair, Sent
from moorage.datapath.netlink import Reply
from moorage.datapath.nft.elements import protocol_port
from moorage.datapath.nft.messages import DATA_VALUE, ELEM_EXPR, ELEM_KEY, LIST_ELEM, LIST_ELEMENTS

_EXPR_DATA = 2
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2


def read_counters(listing: Iterable[Reply]) -> Iterator[tuple[bytes, Amount]]:
    """The key of each element, and what it has counted."""
    for reply in listing:
        block = dict(netlink.attributes(reply.body)).get(LIST_ELEMENTS, b"")
        for _, item in netlink.attributes(block):
            fields = dict(netlink.attributes(item))
            key = dict(netlink.attributes(fields[ELEM_KEY]))[DATA_VALUE]
            counter = dict(netlink.attributes(dict(netlink.attributes(fields[ELEM_EXPR]))[_EXPR_DATA]))
            yield key, Amount(_number(counter[_COUNTER_PACKETS]), _number(counter[_COUNTER_BYTES]))


def read_sent(key: bytes) -> Sent:
    address = key[:-8]
    return Sent(address, key[-8], int.from_bytes(key[-4:-2], "big"))


def read_pair(key: bytes) -> Pair:
    size = (len(key) - 8) // 2
    return Pair(read_sent(key[:-size]), key[-size:])


def packed(pair: Pair) -> bytes:
    """The element of a pair, as an attribute."""
    (address, protocol, port), endpoint = pair
    key = address + protocol_port(protocol, port) + endpoint
    return netlink.nested(LIST_ELEM, netlink.nested(ELEM_KEY, netlink.attribute(DATA_VALUE, key)))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
