from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from moorage.datapath import netlink
from moorage.datapath.conntrack import Flow, deletion, queries, read_flows, stale
from moorage.datapath.netlink import Reply, attribute, be32, nested
from moorage.datapath.nft.elements import endpoint_value, flow_key
from moorage.model.net import Family

V4 = Family.IPV4


def packed(address: str) -> bytes:
    return ip_address(address).packed


OLD, NEW = endpoint_value(packed("10.244.0.1"), 8080), endpoint_value(packed("10.244.0.2"), 8080)
TCP_FRONTEND, UDP_FRONTEND = flow_key(packed("10.96.0.10"), 6, 80), flow_key(packed("10.96.0.10"), 17, 80)
ITSELF = endpoint_value(packed("10.96.0.10"), 80)


@pytest.mark.parametrize(
    ("protocol", "replied", "backend", "now", "expected"),
    [
        (17, True, OLD, {NEW}, True),
        (17, False, OLD, {NEW}, True),
        (17, True, OLD, {OLD, NEW}, False),
        (17, True, OLD, set(), True),
        (17, True, ITSELF, {NEW}, True),
        (17, True, ITSELF, set(), False),
        (6, True, OLD, {NEW}, False),
        (6, False, OLD, {NEW}, True),
        (6, False, OLD, set(), True),
    ],
)
def test_which_flows_are_stale(protocol: int, replied: bool, backend: bytes, now: set[bytes], expected: bool) -> None:
    frontend = TCP_FRONTEND if protocol == 6 else UDP_FRONTEND
    flow = Flow(frontend, backend, protocol, replied, b"")
    assert stale(flow, {frontend: frozenset(now)}) is expected
    assert not stale(flow, {})


def conntrack_tuple(source: str, source_port: int, destination: str, port: int, protocol: int) -> bytes:
    addresses = nested(1, attribute(1, packed(source)), attribute(2, packed(destination)))
    ports = attribute(2, struct.pack(">H", source_port)), attribute(3, struct.pack(">H", port))
    return addresses + nested(2, attribute(1, bytes([protocol])), *ports)


def listed(protocol: int, status: int, family: int = 2) -> Reply:
    original = conntrack_tuple("10.244.0.9", 4000, "10.96.0.10", 80, protocol)
    reply = conntrack_tuple("10.244.0.1", 8080, "10.244.0.9", 4000, protocol)
    return Reply(0x100, 2, family, nested(1, original) + nested(2, reply) + be32(3, status))


def test_flows_are_read_with_the_keys_of_the_maps() -> None:
    answered, silent = read_flows(V4, [listed(6, 0b1110), listed(17, 0b1100), listed(1, 0), listed(6, 0, family=10)])
    assert (answered.frontend, answered.backend, answered.protocol, answered.replied) == (TCP_FRONTEND, OLD, 6, True)
    assert (silent.frontend, silent.replied) == (UDP_FRONTEND, False)


def test_a_flow_is_deleted_by_its_original_tuple() -> None:
    (flow,) = read_flows(V4, [listed(17, 0)])
    ((type_, original),) = netlink.attributes(deletion(V4, flow).data[netlink.HEADER_BYTES :])
    assert (type_, original) == (1, conntrack_tuple("10.244.0.9", 4000, "10.96.0.10", 80, 17))


def test_few_udp_ports_are_asked_for_one_by_one_and_other_protocols_once() -> None:
    udp = [flow_key(packed("10.96.0.10"), 17, port) for port in range(1, 6)]
    tcp = [flow_key(packed("10.96.0.10"), 6, port) for port in range(1, 6)]
    assert len(queries(V4, udp[:4])) == 4
    assert len(queries(V4, udp)) == 1
    assert len(queries(V4, tcp)) == 1
    assert len(queries(V4, [*udp[:2], *tcp])) == 3
    assert len(queries(V4, [udp[0], flow_key(packed("10.96.0.11"), 17, 1)])) == 1
    assert queries(V4, []) == []


def test_of_connections_only_unanswered_ones_are_listed() -> None:
    (datagrams, connections) = queries(V4, [TCP_FRONTEND, UDP_FRONTEND])
    fields = [dict(netlink.attributes(each.data[netlink.HEADER_BYTES :])) for each in (datagrams, connections)]
    assert sorted(fields[0]) == [1, 25]
    assert sorted(fields[1]) == [1, 3, 25, 26]
    assert (fields[1][3], fields[1][26]) == (bytes(4), b"\0\0\0\2")
