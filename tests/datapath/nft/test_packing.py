from __future__ import annotations

import struct
from ipaddress import ip_network

import pytest

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.elements import Element, box, endpoint_value, intervals, number, numbered, place
from moorage.datapath.nft.entry import elements, entry
from moorage.datapath.nft.listing import read_elements
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.packing import element_messages
from moorage.datapath.nft.spaces import MAPS, Space
from moorage.model.net import Family
from moorage.table.types import Frontend
from tests.datapath.tables import UDP, backend, frontend, node_port

TABLE = Table(Family.IPV4, "moorage")
KEY = place(frontend().match).key
BACKEND = endpoint_value(Space.ADDRESS, backend(1).endpoint)


def backends(count: int) -> tuple[Element, ...]:
    return tuple(Element("backends", numbered(KEY, slot), BACKEND) for slot in range(count))


def listing(messages: list[Message]) -> list[Reply]:
    """Messages that add elements, as if the kernel listed them: it uses the same attributes."""
    return [Reply(0, 0, each.data[16], each.data[netlink.HEADER_BYTES :]) for each in messages]


def about(messages: list[Message], name: str) -> list[Message]:
    return [each for each in messages if dict(netlink.attributes(each.data[20:]))[2] == name.encode() + b"\0"]


def test_a_message_names_table_map_and_elements() -> None:
    (made,) = element_messages(TABLE, ElementChanges(added=backends(1)))
    length, type_, flags, sequence, port = struct.unpack_from("=IHHII", made.data)
    assert (length, type_, flags, sequence, port) == (len(made.data), 10 << 8 | 12, 0x1 | 0x400 | 0x200, 0, 0)
    assert made.data[16:20] == b"\x02\0\0\0"
    assert [each[:2] for each in netlink.attributes(made.data[20:])][:2] == [(1, b"moorage\0"), (2, b"backends\0")]
    assert made.what == "add 1 of backends (IPv4)"


def test_removals_come_first_and_carry_keys_only() -> None:
    old = Element("frontends", KEY, b"pick-1")
    removal, addition = element_messages(TABLE, ElementChanges((old,), (Element("frontends", KEY, b"pick-2"),)))
    assert (removal.data[4], addition.data[4]) == (14, 12)
    assert removal.what == "delete 1 of frontends (IPv4)"
    assert b"pick" not in removal.data
    assert b"pick-2\0" in addition.data


@pytest.mark.parametrize("count", [1, 1363, 1364, 5000])
def test_elements_travel_in_chunks_that_an_attribute_can_hold(count: int) -> None:
    made = element_messages(TABLE, ElementChanges(added=backends(count)))
    assert len(made) == -(-count // 1363)
    for each in made:
        (*_, (_, elements)) = netlink.attributes(each.data[20:])
        assert len(elements) <= 60_000
    assert tuple(read_elements("backends", listing(made))) == backends(count)


FRESH = [
    frontend(backends=tuple(range(1, 200))),
    frontend(port=81, backends=(1, 2), affinity=60, inside=(3,)),
    frontend(port=82),
    node_port(backends=(1,), inside=(1, 2)),
    frontend("198.18.0.1", 1000, UDP, (1, 2), last=1999, sources=(ip_network("192.0.2.0/24"),)),
]
FRESH_V6 = [
    frontend("fd00:96::1", backends=(1, 2)),
    node_port(family=6, backends=(1,)),
    frontend("2001:db8::1", 1000, UDP, (1, 2), last=1999),
]


@pytest.mark.parametrize(("family", "whole"), [(Family.IPV4, FRESH), (Family.IPV6, FRESH_V6)])
def test_whole_frontends_are_packed_as_their_elements_would_be(family: Family, whole: list[Frontend]) -> None:
    pairs = tuple((place(each.match), entry(each, None)) for each in whole)
    made = element_messages(Table(family, "moorage"), ElementChanges(fresh=pairs))
    expected = {element for found, each in pairs for element in elements(found, each)}
    read = [element for name in MAPS for element in read_elements(name, listing(about(made, name)))]
    assert set(read) == expected
    assert len(read) == len(expected) == len(ElementChanges(fresh=pairs))


def test_every_kind_of_element_reads_back() -> None:
    ranged = place(frontend("10.96.0.10", 1000, UDP, last=1999).match)
    client = bytes([192, 0, 2, 0]), bytes([192, 0, 2, 255])
    for element in (
        Element("frontends", KEY, b"masq-pick-12"),
        Element("rejected", KEY),
        Element("cluster_ips", bytes([10, 96, 0, 1])),
        Element("pings", bytes([10, 96, 0, 1]), bytes([10, 0, 0, 1])),
        Element("backends", numbered(KEY, 3), BACKEND),
        Element("seats", numbered(KEY, 3), number(7)),
        Element("range_frontends", box(ranged, (1000, 1999)), b"range-pick-3"),
        Element("range_dropped", box(ranged, (1000, 1999))),
        Element("admitted", KEY + client[0] + KEY + client[1]),
    ):
        made = element_messages(TABLE, ElementChanges(added=(element, element)))
        assert read_elements(element.map, listing(made)) == [element, element]


def test_a_box_without_an_upper_end_is_a_point() -> None:
    keyed = netlink.nested(1, netlink.nested(1, netlink.attribute(1, KEY)))
    assert read_elements("admitted", [Reply(0, 0, 2, netlink.nested(3, keyed))]) == [Element("admitted", KEY + KEY)]


def test_intervals_are_two_elements_and_read_back_in_any_order() -> None:
    prefixes = tuple(map(ip_network, ("10.0.0.0/24", "10.0.2.0/25", "255.255.255.0/24")))
    wanted = [Element("cluster_sources", key) for key in sorted(intervals(prefixes, Family.IPV4))]
    made = element_messages(TABLE, ElementChanges(added=tuple(reversed(wanted))))
    (*_, (_, elements)) = netlink.attributes(made[0].data[20:])
    assert len(list(netlink.attributes(elements))) == 5
    assert read_elements("cluster_sources", listing(made)) == wanted


def test_a_shape_that_is_not_ours_is_an_error() -> None:
    (made,) = element_messages(TABLE, ElementChanges(added=(*backends(1), Element("backends", KEY, BACKEND))))
    with pytest.raises(ValueError, match="elements of backends have an unknown shape"):
        read_elements("backends", listing([made]))


def test_nothing_listed_is_nothing() -> None:
    assert read_elements("backends", []) == []
    assert read_elements("frontends", [Reply(0, 0, 2, netlink.nested(3))]) == []
    assert read_elements("backends", [Reply(0, 0, 2, netlink.nested(3))]) == []
