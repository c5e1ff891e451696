from __future__ import annotations

import struct
from ipaddress import ip_network

import pytest

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.datapath.nft.elements import Element, ElementChanges, frontend_key, intervals, slot_key
from moorage.datapath.nft.messages import (
    Table,
    delete_table,
    element_messages,
    list_elements,
    read_chains,
    read_elements,
    read_layout,
)
from moorage.model.net import Family
from tests.datapath.tables import frontend

TABLE = Table(Family.IPV4, "moorage")
KEY = frontend_key(frontend().match)
BACKEND = bytes([10, 244, 0, 1, 0, 80, 0, 0])


def backends(count: int) -> tuple[Element, ...]:
    return tuple(Element("backends", slot_key(KEY, slot), BACKEND) for slot in range(count))


def listing(messages: list[Message]) -> list[Reply]:
    """Messages that add elements, as if the kernel listed them: it uses the same attributes."""
    return [Reply(0, 0, each.data[16], each.data[netlink.HEADER_BYTES :]) for each in messages]


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


def test_every_kind_of_element_reads_back() -> None:
    for element in (
        Element("frontends", KEY, b"masq-pick-12"),
        Element("rejected", KEY),
        Element("cluster_ips", bytes([10, 96, 0, 1])),
        Element("backends", slot_key(KEY, 3), BACKEND),
    ):
        made = element_messages(TABLE, ElementChanges(added=(element, element)))
        assert read_elements(element.map, listing(made)) == [element, element]


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


def test_tables_and_chains_are_found_by_name() -> None:
    ours = netlink.text(1, "moorage") + netlink.attribute(6, b"\0\x05abcd")
    other = netlink.text(1, "other")
    assert read_layout(TABLE, [Reply(0, 0, 2, other), Reply(0, 0, 2, ours)]) == b"\0\x05abcd"
    assert read_layout(TABLE, [Reply(0, 0, 2, netlink.text(1, "moorage"))]) == b""
    assert read_layout(TABLE, [Reply(0, 0, 2, other)]) is None
    chains = [netlink.text(1, name) + netlink.text(3, chain) for name, chain in (("moorage", "pick-1"), ("other", "pick-2"))]
    assert read_chains(TABLE, [Reply(0, 0, 2, each) for each in chains]) == {"pick-1"}


def test_requests_say_what_they_do() -> None:
    assert delete_table(TABLE).what == "delete table moorage (IPv4)"
    assert list_elements(Table(Family.IPV6, "moorage"), "backends").what == "list backends of moorage (IPv6)"
