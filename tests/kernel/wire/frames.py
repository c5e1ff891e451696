"""Captured bytes -> what they are: packets of ours, refusals, answers, and the chatter of the network stack."""

from __future__ import annotations

import enum
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import msgspec

from moorage.model.net import Address
from tests.kernel.wire.checksums import crc32c, ones_sum
from tests.kernel.wire.packets import ETHERTYPES, MAGIC, SCTP_INIT, SYN, Transport

_ETHERNET_BYTES = 14
_ACK, _RST = 0x10, 0x04
_SCTP_INIT_ACK, _SCTP_ABORT = 2, 6
_MASK = 0xFFFFFFFF

_TRANSPORTS = {number: each for each in Transport for number in each.value}
_CHATTER = {(4, 2), (6, 0)}
"""IGMP, and IPv6 with a hop-by-hop header: MLD."""
_ERRORS = {4: {3, 11, 12}, 6: {1, 2, 3, 4}}
"""ICMP types that say a packet was not delivered (RFC 792, RFC 4443)."""
_ECHOES = {4: (8, 0), 6: (128, 129)}
"""Types of echo request and reply."""

_PORTS = struct.Struct(">HH")
_TCP = struct.Struct(">HHIIBB")


class Kind(enum.Enum):
    PACKET = "packet"
    """A first packet: SYN, UDP, INIT, echo request."""
    ANSWER = "answer"
    """SYN/ACK, INIT ACK, echo reply."""
    RESET = "reset"
    """TCP RST or SCTP ABORT."""
    ERROR = "error"
    """ICMP destination unreachable, packet too big, time exceeded or parameter problem."""
    CHATTER = "chatter"
    """What a network stack says of its own accord: ARP, neighbour discovery, redirects, multicast membership."""
    OTHER = "other"


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A captured packet. `identity` is that of the packet itself, or of the packet that is answered or refused.

    `intact` says that all checksums are right; None where too little was captured to tell. `icmp` is type and code.
    `quoted` is the packet that an ICMP error quotes. An echo's ports are its identifier and its sequence number.
    """

    kind: Kind
    source: Address
    destination: Address
    transport: Transport | None = None
    source_port: int = 0
    destination_port: int = 0
    identity: int | None = None
    intact: bool | None = None
    icmp: tuple[int, int] | None = None
    quoted: Parsed | None = None

    @property
    def refusal(self) -> bool:
        return self.kind in (Kind.RESET, Kind.ERROR)


_NOWHERE = IPv4Address(0)
_NOT_IP = Parsed(Kind.CHATTER, _NOWHERE, _NOWHERE)


def parse_frame(frame: bytes) -> Parsed:
    """An Ethernet frame. What is not IP is chatter."""
    kind = frame[12] << 8 | frame[13]
    return parse_datagram(frame[_ETHERNET_BYTES:]) if kind in ETHERTYPES.values() else _NOT_IP


def parse_datagram(data: bytes, whole: bool = True) -> Parsed:
    """A packet from its IP header on; `whole` is False for the beginning of one."""
    return _parse_v4(data, whole) if data[0] >> 4 == 4 else _parse_v6(data, whole)


def parse_segment(source: bytes, destination: bytes, number: int, segment: bytes, whole: bool = True) -> Parsed:
    """What IP protocol `number` carries between two addresses (4 or 16 bytes each)."""
    version = 4 if len(source) == 4 else 6
    transport = _TRANSPORTS.get(number)
    ends = (_address(source), _address(destination))
    if transport is None or len(segment) < 8:
        return Parsed(Kind.CHATTER if (version, number) in _CHATTER else Kind.OTHER, *ends, transport)
    intact = _intact(transport, version, source + destination, segment) if whole else None
    if transport is Transport.ECHO:
        return _icmp(ends, version, segment, intact)
    kind, identity = _READ[transport](segment)
    left, right = _PORTS.unpack_from(segment)
    return Parsed(kind, *ends, transport, left, right, identity, intact)


@lru_cache(1 << 14)
def _address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _parse_v4(data: bytes, whole: bool) -> Parsed:
    header = (data[0] & 0xF) * 4
    found = parse_segment(data[12:16], data[16:20], data[9], data[header : data[2] << 8 | data[3]], whole)
    if whole and ones_sum(data[:header]):
        return msgspec.structs.replace(found, intact=False)
    return found


def _parse_v6(data: bytes, whole: bool) -> Parsed:
    return parse_segment(data[8:24], data[24:40], data[6], data[40 : 40 + (data[4] << 8 | data[5])], whole)


def _intact(transport: Transport, version: int, addresses: bytes, segment: bytes) -> bool:
    if transport is Transport.SCTP:
        return crc32c(segment[:8] + bytes(4) + segment[12:]) == int.from_bytes(segment[8:12], "little")
    if transport is Transport.ECHO and version == 4:
        return ones_sum(segment) == 0
    return (ones_sum(addresses) + transport.number(version) + len(segment) + ones_sum(segment)) % 0xFFFF == 0


def _read_tcp(segment: bytes) -> tuple[Kind, int | None]:
    """A segment that acknowledges a SYN acknowledges its sequence number and one more. Eight bytes end before that."""
    if len(segment) < _TCP.size:
        return Kind.OTHER, int.from_bytes(segment[4:8], "big")
    _, _, sequence, acknowledged, _, flags = _TCP.unpack_from(segment)
    answered = acknowledged - 1 & _MASK if flags & _ACK else None
    if flags & _RST:
        return Kind.RESET, answered
    if flags & SYN:
        return (Kind.PACKET, sequence) if answered is None else (Kind.ANSWER, answered)
    return Kind.OTHER, None


def _read_udp(segment: bytes) -> tuple[Kind, int | None]:
    return Kind.PACKET, _after_magic(segment)


def _read_sctp(segment: bytes) -> tuple[Kind, int | None]:
    """The verification tag of an answer is the initiate tag that it answers."""
    chunk = segment[12] if len(segment) >= 20 else None
    tag = int.from_bytes(segment[4:8], "big")
    if chunk == SCTP_INIT:
        return Kind.PACKET, int.from_bytes(segment[16:20], "big")
    kinds = {_SCTP_INIT_ACK: Kind.ANSWER, _SCTP_ABORT: Kind.RESET}
    return (kinds[chunk], tag) if chunk in kinds else (Kind.OTHER, None)


_READ = {Transport.TCP: _read_tcp, Transport.UDP: _read_udp, Transport.SCTP: _read_sctp}


def _after_magic(segment: bytes) -> int | None:
    return int.from_bytes(segment[12:16], "big") if segment[8:12] == MAGIC and len(segment) >= 16 else None


def _icmp(ends: tuple[Address, Address], version: int, message: bytes, intact: bool | None) -> Parsed:
    type_, code = message[0], message[1]
    if type_ in _ECHOES[version]:
        kind = Kind.PACKET if type_ == _ECHOES[version][0] else Kind.ANSWER
        left, right = _PORTS.unpack_from(message, 4)
        return Parsed(kind, *ends, Transport.ECHO, left, right, _after_magic(message), intact, (type_, code))
    if type_ not in _ERRORS[version] or len(message) < 8 + (20 if version == 4 else 40):
        return Parsed(Kind.CHATTER, *ends, Transport.ECHO, intact=intact, icmp=(type_, code))
    quoted = parse_datagram(message[8:], whole=False)
    return Parsed(Kind.ERROR, *ends, Transport.ECHO, 0, 0, quoted.identity, intact, (type_, code), quoted)
