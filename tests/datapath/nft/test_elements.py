from __future__ import annotations

import struct
import sys
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.datapath.nft.elements import (
    Element,
    ElementChanges,
    Entry,
    assign,
    backend_value,
    chain_meaning,
    chain_name,
    difference,
    entry,
    flow_key,
    frontend_key,
    intervals,
    own_endpoint,
    protocol_number,
    slot_key,
)
from moorage.model.net import Family
from moorage.table.types import NoBackend
from tests.datapath.tables import SCTP, UDP, backend, frontend

KEY = frontend_key(frontend().match)


def test_keys_are_fields_padded_to_registers() -> None:
    assert frontend_key(frontend().match) == bytes([10, 96, 0, 10]) + bytes([6, 0, 0, 0]) + bytes([0, 80, 0, 0])
    assert slot_key(KEY, 258) == KEY + struct.pack("=I", 258)
    assert slot_key(KEY, 1)[-4:] == (1).to_bytes(4, sys.byteorder)
    six = frontend_key(frontend("fd00:96::1", 443, SCTP).match)
    assert len(six) == 24
    assert six[16:] == bytes([132, 0, 0, 0, 1, 187, 0, 0])
    assert protocol_number(six) == 132
    assert flow_key(KEY[:4], 6, 80) == KEY
    assert own_endpoint(KEY) == bytes([10, 96, 0, 10, 0, 80, 0, 0])
    assert backend_value(backend(3)) == bytes([10, 244, 0, 3, 0x1F, 0x90, 0, 0])


def test_chain_names_mean_what_they_say() -> None:
    assert chain_meaning(chain_name(12, True)) == (12, True)
    assert chain_meaning(chain_name(3, False)) == (3, False)
    assert [chain_meaning(each) for each in ("services", "pick-", "pick-x", "masq-pick-")] == [None] * 4


def test_the_last_moves_into_the_hole() -> None:
    a, b, c, d, e = (bytes([each]) for each in b"abcde")
    assert assign((), (a, b)) == (a, b)
    assert assign((a, b, c, d), (a, c, d)) == (a, d, c)
    assert assign((a, b, c), (a, c, e)) == (a, e, c)
    assert assign((a, b), (a, b, c)) == (a, b, c)
    assert assign((a, b, c, d), (d,)) == (d,)
    assert assign((a, b), (c, d, e)) == (c, d, e)
    assert assign((a,), ()) == ()


@given(st.lists(st.binary(min_size=1, max_size=1), unique=True), st.lists(st.binary(min_size=1, max_size=1), unique=True))
def test_slots_hold_each_backend_once_and_move_as_few_as_possible(installed: list[bytes], wanted: list[bytes]) -> None:
    slots = assign(tuple(installed), tuple(wanted))
    assert sorted(slots) == sorted(wanted)
    changed = sum(old != new for old, new in zip(installed, slots, strict=False)) + max(0, len(slots) - len(installed))
    needed = sum(each not in wanted for each in installed[: len(wanted)]) + max(0, len(wanted) - len(installed))
    assert changed == needed


def test_an_entry_keeps_slots_and_drops_repetition() -> None:
    first = entry(frontend(backends=(1, 2, 3)), None)
    assert first.chain == "pick-3"
    second = entry(frontend(backends=(2, 2, 3), masquerade=True), first)
    assert second.backends == (first.backends[2], first.backends[1])
    assert second.chain == "masq-pick-2"
    assert entry(frontend(), None).chain == ""


def test_the_difference_is_what_differs() -> None:
    two = entry(frontend(backends=(1, 2)), None)
    removed, added = difference(KEY, two, entry(frontend(backends=(1, 2, 3)), two))
    assert [str(each) for each in removed] == ["frontends 10.96.0.10 . tcp . 80 : pick-2"]
    assert [str(each) for each in added] == [
        "frontends 10.96.0.10 . tcp . 80 : pick-3",
        "backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    ]
    assert difference(KEY, two, two) == ([], [])
    removed, added = difference(KEY, Entry(without_backend=NoBackend.DROP), None)
    assert (removed, added) == ([Element("dropped", KEY)], [])


def test_a_change_can_be_read() -> None:
    six = frontend_key(frontend("fd00:96::1", 53, UDP).match)
    changes = ElementChanges(
        (Element("rejected", KEY), Element("cluster_ips", bytes([10, 96, 0, 1]))),
        (Element("backends", slot_key(six, 2), backend_value(backend(9, 6))), Element("cluster_sources", bytes(8))),
    )
    assert len(changes) == 4
    assert str(Element("rejected", KEY[:4] + bytes([58]) + KEY[5:])) == "rejected 10.96.0.10 . 58 . 80"
    assert str(changes).splitlines() == [
        "delete rejected 10.96.0.10 . tcp . 80",
        "delete cluster_ips 10.96.0.1",
        "add backends fd00:96::1 . udp . 53 . 2 : fd00:244::9 . 8080",
        "add cluster_sources 0.0.0.0-0.0.0.0",
    ]


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
