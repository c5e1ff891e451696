from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network

import pytest

from moorage.datapath import netlink
from moorage.datapath.conntrack import Flow, Moved, Ours, deletion, echo_place, queries, read_flows, stale
from moorage.datapath.netlink import Reply, attribute, be32, nested
from moorage.datapath.nft.elements import Place, place
from moorage.model.net import Family, Protocol
from moorage.table.types import Frontend
from tests.datapath.tables import TCP, UDP, backend, frontend, node_port

V4 = Family.IPV4
OLD, NEW = backend(1).endpoint, backend(2).endpoint


def packed(address: str) -> bytes:
    return ip_address(address).packed


VIP, NODE, ELSEWHERE = packed("10.96.0.10"), packed("198.18.0.5"), packed("203.0.113.9")
ITSELF = VIP + b"\0\x50"


def moved(*to: bytes, at: Place, ports: tuple[int, int] = (0, 0)) -> dict[Place, Moved]:
    return {at: Moved(frozenset(to), ports)}


@pytest.mark.parametrize(
    ("protocol", "replied", "answering", "now", "expected"),
    [
        (UDP, True, OLD, [NEW], True),
        (UDP, False, OLD, [NEW], True),
        (UDP, True, OLD, [OLD, NEW], False),
        (UDP, True, OLD, [], True),
        (UDP, True, ITSELF, [NEW], True),
        (UDP, True, ITSELF, [], False),
        (TCP, True, OLD, [NEW], False),
        (TCP, False, OLD, [NEW], True),
        (TCP, False, OLD, [], True),
    ],
)
def test_which_flows_are_stale(protocol: Protocol, replied: bool, answering: bytes, now: list[bytes], expected: bool) -> None:
    flow = Flow(VIP, protocol.number, 80, answering, replied, b"")
    assert stale(flow, moved(*now, at=place(frontend(protocol=protocol).match))) is expected
    assert not stale(flow, {})
    assert not stale(flow, moved(*now, at=place(frontend(port=81, protocol=protocol).match)))


def test_flows_to_a_node_port_are_the_nodes_own() -> None:
    at = place(node_port(80, protocol=UDP).match)
    for address, answering, expected in (
        (NODE, OLD, True),
        (NODE, NODE + b"\0\x50", True),
        (ELSEWHERE, OLD, True),
        (ELSEWHERE, ELSEWHERE + b"\0\x50", False),
    ):
        assert stale(Flow(address, 17, 80, answering, True, b""), moved(NEW, at=at), Ours({NODE})) is expected


def test_flows_to_a_range_keep_their_port() -> None:
    at = place(frontend(port=1000, protocol=UDP, last=1999).match)
    now = moved(backend(2, port=0).endpoint, at=at, ports=(1000, 1999))
    for port, answering, expected in ((1500, 1, True), (1500, 2, False), (2000, 1, False)):
        assert stale(Flow(VIP, 17, port, backend(answering, port=port).endpoint, True, b""), now) is expected


@pytest.mark.parametrize(
    ("answering", "now", "expected"),
    [(NODE, [], True), (NODE, [NODE], False), (NODE, [OLD[:4]], True), (VIP, [NODE], True), (VIP, [], False)],
)
def test_echo_requests_go_to_who_answers_them_now(answering: bytes, now: list[bytes], expected: bool) -> None:
    at = echo_place(V4, VIP)
    for replied in (True, False):
        flow = Flow(VIP, 1, 0, answering + bytes(2), replied, b"")
        assert stale(flow, moved(*(each + bytes(2) for each in now), at=at)) is expected
        assert not stale(flow, moved(at=echo_place(V4, ELSEWHERE)))


def conntrack_tuple(source: str, source_port: int, destination: str, port: int, protocol: int) -> bytes:
    addresses = nested(1, attribute(1, packed(source)), attribute(2, packed(destination)))
    if protocol == 1:
        number, kind, code = attribute(4, b"\0\1"), attribute(5, bytes([8])), attribute(6, bytes([0]))
        return addresses + nested(2, attribute(1, bytes([protocol])), number, kind, code)
    ports = attribute(2, struct.pack(">H", source_port)), attribute(3, struct.pack(">H", port))
    return addresses + nested(2, attribute(1, bytes([protocol])), *ports)


def listed(protocol: int, status: int, family: int = 2) -> Reply:
    original = conntrack_tuple("10.244.0.9", 4000, "10.96.0.10", 80, protocol)
    reply = conntrack_tuple("10.244.0.1", 8080, "10.244.0.9", 4000, protocol)
    return Reply(0x100, 2, family, nested(1, original) + nested(2, reply) + be32(3, status))


def test_flows_are_read_with_the_keys_of_the_maps() -> None:
    some = [listed(6, 0b1110), listed(17, 0b1100), listed(1, 0), listed(47, 0), listed(6, 0, family=10)]
    answered, silent, echo = read_flows(V4, some)
    assert answered[:5] == (VIP, 6, 80, OLD, True)
    assert (silent.protocol, silent.replied, silent.untranslated) == (17, False, False)
    assert echo[:4] == (VIP, 1, 0, OLD[:4] + bytes(2))


def test_a_flow_is_deleted_by_its_original_tuple() -> None:
    (flow,) = read_flows(V4, [listed(17, 0)])
    ((type_, original),) = netlink.attributes(deletion(V4, flow).data[netlink.HEADER_BYTES :])
    assert (type_, original) == (1, conntrack_tuple("10.244.0.9", 4000, "10.96.0.10", 80, 17))


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (Flow(VIP, 17, 80, OLD, True, b""), True),
        (Flow(VIP, 6, 80, OLD, False, b""), True),
        (Flow(VIP, 6, 80, OLD, True, b""), False),
        (Flow(VIP, 1, 0, NODE + bytes(2), True, b""), True),
        (Flow(VIP, 17, 80, ITSELF, True, b""), False),
        (Flow(ELSEWHERE, 17, 80, OLD, True, b""), False),
    ],
)
def test_where_all_frontends_are_known_a_flow_to_another_cluster_ip_leads_nowhere(flow: Flow, expected: bool) -> None:
    everything = Ours(clusters=(ip_network("fd00:96::/112"), ip_network("10.96.0.0/16")))
    other = moved(NEW, at=place(frontend(port=81).match))
    assert stale(flow, other, everything) is expected
    assert not stale(flow, other, Ours())
    assert len(queries(V4, other, everything)) == 4
    assert len(queries(V4, {}, everything)) == 4


def asked(*frontends: Frontend) -> int:
    return len(queries(V4, {place(each.match): Moved(frozenset()) for each in frontends}))


def test_few_udp_ports_are_asked_for_one_by_one_and_other_protocols_once() -> None:
    udp = [frontend(port=port, protocol=UDP) for port in range(1, 6)]
    tcp = [frontend(port=port) for port in range(1, 6)]
    assert asked(*udp[:4]) == 4
    assert asked(*udp) == 1
    assert asked(*tcp) == 1
    assert asked(*udp[:2], *tcp) == 3
    assert asked(udp[0], frontend("10.96.0.11", 1, UDP), node_port(1, protocol=UDP)) == 1
    assert asked(frontend(port=1000, protocol=UDP, last=1999)) == 1
    assert asked() == 0
    assert len(queries(V4, {echo_place(V4, each): Moved(frozenset()) for each in (VIP, NODE)})) == 1


def test_of_connections_only_unanswered_ones_are_listed() -> None:
    both = {place(frontend(protocol=protocol).match): Moved(frozenset()) for protocol in (TCP, UDP)}
    (datagrams, _, connections) = queries(V4, {**both, echo_place(V4, VIP): Moved(frozenset())})
    fields = [dict(netlink.attributes(each.data[netlink.HEADER_BYTES :])) for each in (datagrams, connections)]
    assert sorted(fields[0]) == [1, 25]
    assert sorted(fields[1]) == [1, 3, 25, 26]
    assert (fields[1][3], fields[1][26]) == (bytes(4), b"\0\0\0\2")
