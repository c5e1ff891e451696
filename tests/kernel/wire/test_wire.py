"""What comes of a packet is seen: where it leaves, what it looks like then, what the node keeps, and who refuses it."""

from __future__ import annotations

import errno
import itertools
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from moorage.model.net import Address, Family
from tests.kernel.needs import needs_root
from tests.kernel.wire.frames import Kind, Parsed
from tests.kernel.wire.node import KEPT, Captured, WireNode
from tests.kernel.wire.packets import Packet, Transport, datagram, ethernet
from tests.kernel.wire.plan import LAN, NODE, other_node, pod
from tests.kernel.wire.rules import VIP, drop_everything, load, refuse, translate

pytestmark = [pytest.mark.kernel, needs_root]

V4, V6 = Family.IPV4, Family.IPV6
OUTSIDE: dict[Family, Address] = {V4: ip_address("198.51.100.7"), V6: ip_address("2001:db8:9::7")}
LOOPBACK: dict[Family, Address] = {V4: ip_address("127.0.0.1"), V6: ip_address("::1")}
UNREACHABLE = {V4: (3, 3), V6: (1, 4)}
"""ICMP type and code of "port unreachable"."""
ECHO_REQUEST = {V4: (8, 0), V6: (128, 0)}
IMPLEMENTED = (Transport.TCP, Transport.UDP, Transport.ECHO)
"""What the node's own stack answers; SCTP may be missing."""

_numbers = itertools.count(1)


def packet(source: Address, destination: Address, transport: Transport, port: int = 80, source_port: int = 0) -> Packet:
    """With an identity of its own, and a source port of its own unless one is given."""
    number = next(_numbers)
    return Packet(source, destination, transport, source_port or 1024 + number % 60000, port, number)


def seen(sent: Packet, **changed: object) -> Parsed:
    """The packet as it comes out, with right checksums and the changed fields."""
    family = Family.of(sent.source)
    icmp = ECHO_REQUEST[family] if sent.transport is Transport.ECHO else None
    ends = (sent.source, sent.destination, sent.transport, sent.source_port, sent.destination_port)
    return replace(Parsed(Kind.PACKET, *ends, sent.identity, True, icmp), **changed)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_a_packet_is_forwarded_as_it_is(wire: WireNode, family: Family, transport: Transport) -> None:
    ways = [
        ("lan", OUTSIDE[family], pod(2, family), "pod2"),
        ("lan", other_node(12, family), pod(9, family), "pod9"),
        ("lan", OUTSIDE[family], pod(3, family, 13), "lan"),
        ("pod2", pod(2, family), OUTSIDE[family], "lan"),
        ("pod2", pod(2, family), other_node(13, family), "lan"),
        ("pod2", pod(2, family), pod(5, family, 12), "lan"),
        ("pod3", pod(3, family), pod(4, family), "pod4"),
        ("pod5", pod(5, family), pod(5, family), "pod5"),
    ]
    sent = [(link, packet(source, destination, transport), out) for link, source, destination, out in ways]
    wire.inject_many((link, each) for link, each, _ in sent)
    assert wire.collect() == [Captured(out, seen(each)) for _, each, out in sent]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_what_the_node_keeps_is_seen(wire: WireNode, family: Family, transport: Transport) -> None:
    for link, source in (("lan", OUTSIDE[family]), ("pod2", pod(2, family))):
        sent = packet(source, NODE[family], transport)
        wire.inject(link, sent)
        found = wire.collect()
        assert found.pop() == Captured(KEPT, seen(sent))
        if transport in IMPLEMENTED:
            (answer,) = found
            assert (answer.link, answer.packet.identity, answer.packet.intact) == (link, sent.identity, True)
            assert (answer.packet.source, answer.packet.destination) == (NODE[family], source)
            assert answer.packet.kind is {"TCP": Kind.RESET, "UDP": Kind.ERROR, "ECHO": Kind.ANSWER}[transport.name]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_the_node_sends(wire: WireNode, family: Family, transport: Transport) -> None:
    ways = [
        (NODE[family], pod(2, family), "pod2"),
        (pod(3, family), pod(2, family), "pod2"),
        (NODE[family], OUTSIDE[family], "lan"),
        (OUTSIDE[family], pod(7, family, 12), "lan"),
        (NODE[family], NODE[family], KEPT),
        (LOOPBACK[family], NODE[family], KEPT),
        (LOOPBACK[family], LOOPBACK[family], KEPT),
    ]
    for source, destination, out in ways:
        sent = packet(source, destination, transport)
        assert wire.send_local(sent) == 0
        assert Captured(out, seen(sent)) in wire.collect()


def verdict(transport: Transport) -> str:
    return "meta l4proto tcp reject with tcp reset" if transport is Transport.TCP else "reject"


def check_refusal(found: Captured, link: str, sent: Packet, intact: bool | None = True) -> None:
    family, answer = Family.of(sent.source), found.packet
    assert (found.link, answer.refusal, answer.identity, answer.destination) == (link, True, sent.identity, sent.source)
    assert answer.intact is intact
    if sent.transport is Transport.TCP:
        assert (answer.kind, answer.source, answer.source_port) == (Kind.RESET, sent.destination, sent.destination_port)
        return
    assert (answer.kind, answer.icmp) == (Kind.ERROR, UNREACHABLE[family])
    assert answer.quoted == seen(sent, intact=None)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_a_refusal_tells_what_is_refused(wire: WireNode, family: Family, transport: Transport) -> None:
    """In the forward hook, and in the input hook for what has ports."""
    load(wire.node, refuse(family, verdict(transport), "input", "forward"))
    ways = [("pod2", pod(2, family), VIP[family], 80), ("lan", OUTSIDE[family], VIP[family], 80)]
    if transport is not Transport.ECHO:
        ways += [("pod2", pod(2, family), NODE[family], 81), ("lan", OUTSIDE[family], NODE[family], 81)]
    for link, source, destination, port in ways:
        sent = packet(source, destination, transport, port)
        wire.inject(link, sent)
        (found,) = wire.collect()
        check_refusal(found, link, sent)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_the_node_is_refused_its_own_packets(wire: WireNode, family: Family, transport: Transport) -> None:
    """In the output hook. The sender gets an errno, and its address the refusal."""
    load(wire.node, refuse(family, verdict(transport), "output"))
    intact = None if transport is Transport.TCP else True
    for source in (NODE[family], LOOPBACK[family]):
        sent = packet(source, VIP[family], transport)
        assert wire.send_local(sent) == errno.EPERM
        (found,) = wire.collect()
        check_refusal(found, KEPT, sent, intact)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_what_is_dropped_leaves_nothing(wire: WireNode, family: Family, transport: Transport) -> None:
    """Silence is known as soon as the fence is back, which no rule of the node can hold up."""
    load(wire.node, drop_everything(family))
    wire.inject("lan", packet(OUTSIDE[family], pod(2, family), transport))
    wire.inject("pod2", packet(pod(2, family), NODE[family], transport))
    assert wire.send_local(packet(NODE[family], pod(2, family), transport)) == errno.EPERM
    assert wire.collect() == []


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("masquerade", [False, True])
def test_a_translated_packet_is_intact(wire: WireNode, family: Family, transport: Transport, masquerade: bool) -> None:
    """To a Pod here, from outside, from another Pod, from itself, and from the node."""
    load(wire.node, translate(family, pod(2, family), 8080, masquerade))
    for link, source in (("lan", OUTSIDE[family]), ("pod3", pod(3, family)), ("pod2", pod(2, family)), (KEPT, NODE[family])):
        sent = packet(source, VIP[family], transport)
        if link == KEPT:
            assert wire.send_local(sent) == 0
        else:
            wire.inject(link, sent)
        port = sent.destination_port if transport is Transport.ECHO else 8080
        expected = seen(sent, source=NODE[family] if masquerade else source, destination=pod(2, family), destination_port=port)
        assert wire.collect() == [Captured("pod2", expected)]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_what_is_translated_to_the_node_is_kept(wire: WireNode, family: Family, transport: Transport) -> None:
    """Its answer is translated back, an ICMP error with the packet that it quotes."""
    load(wire.node, translate(family, NODE[family], 8080))
    sent = packet(OUTSIDE[family], VIP[family], transport)
    wire.inject("lan", sent)
    found = wire.collect()
    port = sent.destination_port if transport is Transport.ECHO else 8080
    assert found.pop() == Captured(KEPT, seen(sent, destination=NODE[family], destination_port=port))
    if transport in (Transport.TCP, Transport.UDP):
        check_refusal(found.pop(), "lan", sent)


def test_only_ipv4_refuses_to_send_translated_packets_from_loopback(wire: WireNode) -> None:
    for family, expected in ((V4, errno.EINVAL), (V6, 0)):
        load(wire.node, translate(family, pod(2, family), 8080, masquerade=True))
        assert wire.send_local(packet(LOOPBACK[family], VIP[family], Transport.TCP)) == expected
    (found,) = wire.collect()
    assert (found.link, found.packet.source) == ("pod2", NODE[V6])


def test_a_wrong_checksum_stays_wrong(wire: WireNode) -> None:
    """So `intact` speaks of what the kernel sent, not of what the harness made."""
    sent = packet(OUTSIDE[V4], pod(2, V4), Transport.UDP)
    frame = bytearray(ethernet(LAN.near, LAN.far, 4) + datagram(sent))
    frame[-1] ^= 1
    wire.inject_frame("lan", bytes(frame))
    (found,) = wire.collect()
    assert (found.link, found.packet.intact, found.packet.identity) == ("pod2", False, sent.identity ^ 1)


@pytest.mark.parametrize("family", Family)
def test_reset_forgets_connections(wire: WireNode, family: Family) -> None:
    """A flow keeps its backend until it is forgotten."""
    sent = packet(OUTSIDE[family], VIP[family], Transport.UDP)
    links = []
    for target, forget in ((2, False), (3, False), (3, True)):
        load(wire.node, translate(family, pod(target, family), 8080))
        if forget:
            wire.reset()
        wire.inject("lan", sent)
        links += [each.link for each in wire.collect()]
    assert links == ["pod2", "pod2", "pod3"]


def test_reset_forgets_what_is_under_way(wire: WireNode) -> None:
    wire.inject("lan", packet(OUTSIDE[V4], pod(2, V4), Transport.UDP))
    wire.inject("lan", packet(OUTSIDE[V4], NODE[V4], Transport.UDP))
    wire.reset()
    assert wire.collect() == []
