"""Packets as bytes and back, without a kernel."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from moorage.model.net import Family
from tests.kernel.wire.checksums import checksum, crc32c, ones_sum
from tests.kernel.wire.frames import Kind, Parsed, parse_datagram, parse_frame
from tests.kernel.wire.packets import Packet, Transport, datagram, ethernet
from tests.kernel.wire.plan import LAN, NODE, pod

IDENTITIES = (1, 0xFFFF, 0x12345678, 0xFFFFFFFF)


def packet(family: Family, transport: Transport, identity: int = 7) -> Packet:
    return Packet(pod(2, family), NODE[family], transport, 40000, 80, identity)


def icmp_error(family: Family, quoted: bytes) -> bytes:
    """Port unreachable with wrong checksums."""
    type_, code = (3, 3) if family is Family.IPV4 else (1, 4)
    message = bytes((type_, code, 0, 0, 0, 0, 0, 0)) + quoted
    ends = NODE[family].packed + pod(2, family).packed
    if family is Family.IPV4:
        return bytes((0x45, 0)) + (20 + len(message)).to_bytes(2, "big") + bytes((0, 0, 0, 0, 64, 1, 0, 0)) + ends + message
    return bytes((0x60, 0, 0, 0)) + len(message).to_bytes(2, "big") + bytes((58, 64)) + ends + message


def test_known_checksums() -> None:
    """The examples of RFC 1071 section 3 and of RFC 3720 appendix B.4."""
    assert ones_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(0xDDF2) == 0x220D
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("identity", IDENTITIES)
def test_what_is_built_is_read_back(family: Family, transport: Transport, identity: int) -> None:
    sent = packet(family, transport, identity)
    version = sent.source.version
    icmp = {4: (8, 0), 6: (128, 0)}[version] if transport is Transport.ECHO else None
    expected = Parsed(Kind.PACKET, sent.source, sent.destination, transport, 40000, 80, identity, True, icmp)
    assert parse_frame(ethernet(LAN.near, LAN.far, version) + datagram(sent)) == expected
    assert not expected.refusal


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_a_flipped_bit_is_noticed(family: Family, transport: Transport) -> None:
    """In the addresses, where a checksum covers them (not SCTP's in IPv6), and in all that follows."""
    built = datagram(packet(family, transport))
    first = 12 if family is Family.IPV4 else 40 if transport is Transport.SCTP else 8
    for position in range(first, len(built)):
        flipped = bytearray(built)
        flipped[position] ^= 0x10
        if parse_datagram(bytes(flipped)).kind is not Kind.CHATTER:
            assert parse_datagram(bytes(flipped)).intact is False, position


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("transport", Transport)
def test_an_error_quotes_the_packet(family: Family, transport: Transport) -> None:
    sent = packet(family, transport)
    found = parse_datagram(icmp_error(family, datagram(sent)))
    assert (found.kind, found.refusal, found.identity, found.intact) == (Kind.ERROR, True, 7, False)
    assert found.icmp == ((3, 3) if family is Family.IPV4 else (1, 4))
    assert found.quoted is not None
    assert (found.quoted.source, found.quoted.destination) == (sent.source, sent.destination)
    assert (found.quoted.transport, found.quoted.source_port, found.quoted.destination_port) == (transport, 40000, 80)
    assert found.quoted.intact is None


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(("transport", "identity"), [(Transport.TCP, 7), (Transport.UDP, None), (Transport.SCTP, None)])
def test_eight_quoted_bytes_tell_the_ports(family: Family, transport: Transport, identity: int | None) -> None:
    """All that RFC 792 promises."""
    beginning = datagram(packet(family, transport))[: (20 if family is Family.IPV4 else 40) + 8]
    found = parse_datagram(icmp_error(family, beginning))
    assert found.quoted is not None
    assert (found.quoted.source_port, found.quoted.destination_port, found.identity) == (40000, 80, identity)


@pytest.mark.parametrize(
    ("flags", "acknowledged", "kind", "identity"),
    [
        (0x14, 8, Kind.RESET, 7),
        (0x14, 0, Kind.RESET, 0xFFFFFFFF),
        (0x04, 8, Kind.RESET, None),
        (0x12, 8, Kind.ANSWER, 7),
        (0x10, 8, Kind.OTHER, None),
    ],
)
def test_answers_of_tcp_carry_the_identity_plus_one(flags: int, acknowledged: int, kind: Kind, identity: int | None) -> None:
    built = bytearray(datagram(packet(Family.IPV4, Transport.TCP)))
    built[28:32], built[33] = acknowledged.to_bytes(4, "big"), flags
    assert (parse_datagram(bytes(built)).kind, parse_datagram(bytes(built)).identity) == (kind, identity)


@pytest.mark.parametrize(("chunk", "kind"), [(2, Kind.ANSWER), (6, Kind.RESET), (3, Kind.OTHER)])
def test_answers_of_sctp_carry_the_tag(chunk: int, kind: Kind) -> None:
    built = bytearray(datagram(packet(Family.IPV4, Transport.SCTP)))
    built[24:28], built[32] = (7).to_bytes(4, "big"), chunk
    found = parse_datagram(bytes(built))
    assert (found.kind, found.identity) == (kind, None if kind is Kind.OTHER else 7)


def test_chatter() -> None:
    arp = bytes(12) + bytes.fromhex("0806") + bytes(28)
    assert parse_frame(arp).kind is Kind.CHATTER
    neighbour = bytearray(datagram(packet(Family.IPV6, Transport.ECHO)))
    neighbour[40] = 135
    assert parse_datagram(bytes(neighbour)).kind is Kind.CHATTER


def test_the_padding_of_a_frame_is_no_part_of_the_packet() -> None:
    sent = Packet(ip_address("192.0.2.1"), ip_address("192.0.2.2"), Transport.UDP, 1, 2, 3)
    found = parse_frame(ethernet(LAN.near, LAN.far, 4) + datagram(sent) + b"padding")
    assert (found.identity, found.intact) == (3, True)
