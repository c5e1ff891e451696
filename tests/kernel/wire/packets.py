"""The first packet of a connection as a value, and as bytes with right checksums.

Each packet carries an identity, a number of 32 bits other than 0, where neither routing nor address translation reaches:

    TCP SYN         sequence number
    UDP             payload, behind a magic word
    SCTP INIT       initiate tag
    ICMP(v6) echo   payload, behind the magic word; the ports are the identifier and the sequence number
"""

from __future__ import annotations

import enum
import struct

import msgspec

from moorage.model.net import Address, Protocol
from tests.kernel.wire.checksums import checksum, crc32c, ones_sum

MAGIC = b"wire"
"""In front of an identity in a payload."""
SYN = 0x02
SCTP_INIT = 1
ETHERTYPES = {4: 0x0800, 6: 0x86DD}

_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_IPV6 = struct.Struct(">IHBB16s16s")
_TCP = struct.Struct(">HHIIHHHH")
_UDP = struct.Struct(">HHHH4sI")
_SCTP = struct.Struct(">HHIIBBHIIHHI")
_ECHO = struct.Struct(">BBHHH4sI")
_ETHERNET = struct.Struct(">6s6sH")
_MAGIC_SUM = ones_sum(MAGIC)
_HOPS = 64
_DONT_FRAGMENT = 0x4000
_WINDOW = 64240


class Transport(enum.Enum):
    """What is carried. The value is the IP protocol number, in IPv4 and in IPv6 (IANA)."""

    TCP = (6, 6)
    UDP = (17, 17)
    SCTP = (132, 132)
    ECHO = (1, 58)
    """ICMP or ICMPv6 echo."""

    def number(self, version: int) -> int:
        return self.value[0] if version == 4 else self.value[1]

    @classmethod
    def of(cls, protocol: Protocol) -> Transport:
        return cls[protocol.value]


class Packet(msgspec.Struct, frozen=True, gc=False):
    """Both addresses are of one family. `identity` is 1 to 0xFFFFFFFF."""

    source: Address
    destination: Address
    transport: Transport
    source_port: int
    destination_port: int
    identity: int


def datagram(packet: Packet) -> bytes:
    """The packet from its IP header on."""
    source, destination = packet.source.packed, packet.destination.packed
    number = packet.transport.number(packet.source.version)
    segment = _segment(packet, number, ones_sum(source + destination) + number)
    return _headed(source, destination, number, segment, packet.identity & 0xFFFF)


def enclosed(source: Address, destination: Address, transport: Transport, segment: bytes) -> bytes:
    """A segment of any kind, from its IP header on."""
    return _headed(source.packed, destination.packed, transport.number(source.version), segment, 0)


def sctp_segment(source_port: int, destination_port: int, tag: int, kind: int, value: bytes = b"") -> bytes:
    """One chunk (RFC 9260 section 3.2) with the verification tag that its receiver has chosen."""
    padding = bytes(-len(value) % 4)
    chunk = struct.pack(">BBH", kind, 0, 4 + len(value)) + value + padding
    blank = struct.pack(">HHII", source_port, destination_port, tag, 0) + chunk
    return blank[:8] + crc32c(blank).to_bytes(4, "little") + blank[12:]


def tcp_segment(ends: bytes, ports: tuple[int, int], numbers: tuple[int, int], flags: int, data: bytes = b"") -> bytes:
    """`ends` are both addresses in network byte order, `numbers` those of sequence and acknowledgment."""
    offset_and_flags = _TCP.size // 4 << 12 | flags
    blank = _TCP.pack(*ports, *numbers, offset_and_flags, _WINDOW, 0, 0) + data
    total = ones_sum(ends) + Transport.TCP.number(4) + len(blank) + ones_sum(blank)
    return blank[:16] + checksum(total).to_bytes(2, "big") + blank[18:]


def _headed(source: bytes, destination: bytes, number: int, segment: bytes, identification: int) -> bytes:
    if len(source) == 16:
        return _IPV6.pack(6 << 28, len(segment), number, _HOPS, source, destination) + segment
    length = _IPV4.size + len(segment)
    words = 0x4500 + length + identification + _DONT_FRAGMENT + (_HOPS << 8 | number) + ones_sum(source + destination)
    header = (0x45, 0, length, identification, _DONT_FRAGMENT, _HOPS, number, checksum(words), source, destination)
    return _IPV4.pack(*header) + segment


def ethernet(destination: bytes, source: bytes, version: int) -> bytes:
    """The header in front of a datagram of IP version 4 or 6."""
    return _ETHERNET.pack(destination, source, ETHERTYPES[version])


def _segment(packet: Packet, number: int, pseudo: int) -> bytes:
    """`pseudo` is the sum of the pseudo-header without the length. Sums are of the fields' values, as in `ones_sum`."""
    left, right, identity = packet.source_port, packet.destination_port, packet.identity
    if packet.transport is Transport.TCP:
        offset_and_flags = _TCP.size // 4 << 12 | SYN
        total = pseudo + _TCP.size + left + right + identity + offset_and_flags + _WINDOW
        return _TCP.pack(left, right, identity, 0, offset_and_flags, _WINDOW, checksum(total), 0)
    if packet.transport is Transport.UDP:
        total = pseudo + 2 * _UDP.size + left + right + _MAGIC_SUM + identity
        return _UDP.pack(left, right, _UDP.size, checksum(total), MAGIC, identity)
    if packet.transport is Transport.SCTP:
        return _sctp_init(left, right, identity)
    kind = 8 if number == 1 else 128
    total = (kind << 8) + left + right + _MAGIC_SUM + identity + (0 if number == 1 else pseudo + _ECHO.size)
    return _ECHO.pack(kind, 0, checksum(total), left, right, MAGIC, identity)


def _sctp_init(left: int, right: int, identity: int) -> bytes:
    """One INIT chunk (RFC 9260 section 3.3.2). The checksum is little-endian."""
    blank = _SCTP.pack(left, right, 0, 0, SCTP_INIT, 0, 20, identity, 1 << 16, 1, 1, identity)
    return blank[:8] + crc32c(blank).to_bytes(4, "little") + blank[12:]
