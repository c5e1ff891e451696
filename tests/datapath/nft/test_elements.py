from __future__ import annotations

import struct
import sys
from collections import Counter
from ipaddress import ip_address, ip_network

import pytest

from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.elements import (
    Element,
    Place,
    address_of,
    admitted,
    box,
    endpoint_value,
    intervals,
    number,
    numbered,
    place,
    protocol_number,
    read_admitted,
    read_number,
)
from moorage.datapath.nft.entry import entry
from moorage.datapath.nft.spaces import Space
from moorage.model.net import Family
from tests.datapath.tables import SCTP, UDP, backend, frontend, node_port

KEY = place(frontend().match).key


def test_keys_are_fields_padded_to_registers() -> None:
    assert place(frontend().match) == (Space.ADDRESS, bytes([10, 96, 0, 10, 6, 0, 0, 0, 0, 80, 0, 0]))
    assert numbered(KEY, 258) == KEY + struct.pack("=I", 258)
    assert numbered(KEY, 1)[-4:] == number(1) == (1).to_bytes(4, sys.byteorder)
    assert read_number(numbered(KEY, 258)) == 258
    six = place(frontend("fd00:96::1", 443, SCTP).match)
    assert len(six.key) == 24
    assert six.key[16:] == bytes([132, 0, 0, 0, 1, 187, 0, 0])


def test_node_ports_have_no_address_and_ranges_no_port() -> None:
    assert place(node_port(30080).match) == Place(Space.NODE_PORT, bytes([6, 0, 0, 0, 0x75, 0x80, 0, 0]))
    assert place(node_port(30080, family=6).match) == place(node_port(30080).match)
    ranged = place(frontend("10.96.0.10", 1000, UDP, last=1999).match)
    assert ranged == Place(Space.RANGE, bytes([10, 96, 0, 10, 17, 0, 0, 0]))
    assert box(ranged, (1000, 1999)) == ranged.key + b"\x03\xe8\0\0" + ranged.key + b"\x07\xcf\0\0"
    matches = (frontend(protocol=UDP).match, node_port(protocol=UDP).match, frontend("::9", 1, UDP, last=2).match)
    assert [protocol_number(place(each)) for each in matches] == [17, 17, 17]


def test_an_endpoint_is_an_address_and_a_port_where_the_client_does_not_choose_it() -> None:
    endpoint = backend(3).endpoint
    assert endpoint_value(Space.ADDRESS, endpoint) == bytes([10, 244, 0, 3, 0x1F, 0x90, 0, 0])
    assert endpoint_value(Space.RANGE, backend(3, port=0).endpoint) == bytes([10, 244, 0, 3])


def test_a_change_can_be_read() -> None:
    six = place(frontend("fd00:96::1", 53, UDP).match).key
    whole = frontend(
        "198.18.0.1", 1000, UDP, (1,), last=1999, sources=(ip_network("192.0.2.0/24"), ip_network("198.51.100.1/32"))
    )
    value = endpoint_value(Space.ADDRESS, backend(9, 6).endpoint)
    changes = ElementChanges(
        (Element("rejected", KEY), Element("cluster_ips", bytes([10, 96, 0, 1]))),
        (
            Element("backends", numbered(six, 2), value),
            Element("cluster_sources", bytes(8)),
            Element("pings", bytes(4), bytes(4)),
        ),
        ((place(whole.match), entry(whole, None)),),
    )
    assert str(Element("rejected", KEY[:4] + bytes([58]) + KEY[5:])) == "rejected 10.96.0.10 . 58 . 80"
    assert str(changes).splitlines() == [
        "delete rejected 10.96.0.10 . tcp . 80",
        "delete cluster_ips 10.96.0.1",
        "add backends fd00:96::1 . udp . 53 . 2 : fd00:244::9 . 8080",
        "add cluster_sources 0.0.0.0",
        "add pings 0.0.0.0 : 0.0.0.0",
        "add range_frontends 198.18.0.1 . udp . 1000-1999 : range-guarded-pick-1",
        "add range_admitted 198.18.0.1 . udp . 192.0.2.0-192.0.2.255",
        "add range_admitted 198.18.0.1 . udp . 198.51.100.1",
        "add range_backends 198.18.0.1 . udp . 0 : 10.244.0.1",
    ]
    assert len(changes) == 9


def test_who_is_admitted_is_known_before_rules_ask() -> None:
    first, second, third = (place(frontend(f"198.18.100.{last}").match) for last in (1, 2, 3))
    here, there = bytes([192, 0, 2, 0]), bytes([192, 0, 2, 255])
    inside = Element("cluster_sources", here + there)
    changes = ElementChanges(
        removed=(
            Element("frontends", first.key, b"pick-1"),
            Element("frontends", second.key, b"guarded-pick-1"),
            admitted(second, here, here),
            admitted(third, here, here),
        ),
        added=(
            Element("frontends", first.key, b"guarded-pick-1"),
            Element("frontends", second.key, b"pick-1"),
            admitted(first, here, there),
            admitted(third, here, there),
            inside,
        ),
    )
    assert changes.stages() == (
        ElementChanges((changes.removed[3],), (*changes.added[2:4], inside)),
        ElementChanges(changes.removed[:3], changes.added[:2]),
    )


def test_most_changes_are_one_transaction() -> None:
    assert ElementChanges().stages() == ()
    for alone in (Element("frontends", KEY, b"pick-1"), Element("cluster_sources", bytes(8))):
        assert ElementChanges(added=(alone,)).stages() == (ElementChanges(added=(alone,)),)


def test_many_new_frontends_are_several_transactions_and_no_address_is_torn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage.datapath.nft.changes.PART", 6)
    frontends = [frontend(f"10.96.0.{last}", port, backends=(1, 2)) for port in (80, 443) for last in (1, 2, 3)]
    frontends += [node_port(30080 + number, backends=(1, 2)) for number in range(3)]
    fresh = tuple((place(each.match), entry(each, None)) for each in frontends)
    vips = {last: Element("cluster_ips", bytes([10, 96, 0, last])) for last in (1, 2, 3, 4)}
    changes = ElementChanges((Element("rejected", KEY),), (*vips.values(), Element("rejected", KEY[:-3] + b"1\0\0")), fresh)
    parts = changes.stages()
    assert len(parts) == 5
    assert parts[0].removed == changes.removed
    assert parts[0].added == (vips[4], changes.added[-1], vips[1])
    assert [part.added for part in parts[1:]] == [(vips[2],), (vips[3],), (), ()]
    assert Counter(each for part in parts for each in part.fresh) == Counter(fresh)
    for part, last in zip(parts, (1, 2, 3), strict=False):
        assert [address_of(each) for each, _ in part.fresh] == [bytes([10, 96, 0, last])] * 2
    assert sum(len(part) for part in parts) == len(changes)


@pytest.mark.parametrize("address", ["198.18.100.6", "fd00::6"])
def test_whom_an_element_admits_can_be_read(address: str) -> None:
    family = ip_address(address).version
    first, last = ip_address(address).packed, (ip_address(address) + 9).packed
    for each in (frontend(address), frontend(address, 1000, UDP, last=1999), node_port(family=family)):
        found = place(each.match)
        assert read_admitted(admitted(found, first, last)) == (found.key, first, last)


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (("10.0.0.0/24", "10.0.0.128/25", "10.0.1.0/25"), ["10.0.0.0-10.0.1.127"]),
        (("10.0.0.0/24", "10.0.2.0/24", "fd00::/16"), ["10.0.0.0-10.0.0.255", "10.0.2.0-10.0.2.255"]),
        (("0.0.0.0/0",), ["0.0.0.0-255.255.255.255"]),
        ((), []),
    ],
)
def test_sources_become_disjoint_intervals(prefixes: tuple[str, ...], expected: list[str]) -> None:
    found = intervals(map(ip_network, prefixes), Family.IPV4)
    assert sorted(str(Element("cluster_sources", each)) for each in found) == [f"cluster_sources {each}" for each in expected]


def test_sources_of_the_other_family() -> None:
    (found,) = intervals([ip_network("fd00::/127"), ip_network("10.0.0.0/8")], Family.IPV6)
    assert str(Element("cluster_sources", found)) == "cluster_sources fd00::-fd00::1"
