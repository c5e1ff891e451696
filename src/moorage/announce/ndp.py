"""Neighbour discovery: what a frame says, the answer to a solicitation, and the advertisement that tells everybody
unasked.

Source: RFC 4861 sections 4.3, 4.4, 7.2.4 and 7.2.6; RFC 4862 section 5.4 for the questions of duplicate address
detection.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import msgspec

ETHERTYPE = 0x86DD
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")

NEXT_HEADER_AT, TYPE_AT = 20, 54
"""Where a frame without extension headers says that it is ICMPv6, and of which type: filters of sockets look there."""

ICMPV6 = 58
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136

_SOLICITED = 0x40000000
_OVERRIDE = 0x20000000
_SOURCE_LINK_LAYER_ADDRESS, _TARGET_LINK_LAYER_ADDRESS = 1, 2
_HOP_LIMIT = 255
_UNSPECIFIED = IPv6Address(0)
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))
_BODY_AT = 54
_OPTIONS_AT = 78


class Ndp(msgspec.Struct, frozen=True):
    """One message: whether it asks for `target`, or says that `mac` has it. `sender` is :: where it asks for
    duplicates.
    """

    asks: bool
    mac: bytes
    sender: IPv6Address
    target: IPv6Address


def read(frame: bytes) -> Ndp | None:
    """None for a frame that is no solicitation or advertisement, or was routed or damaged on its way."""
    if len(frame) < _OPTIONS_AT or frame[12:14] != b"\x86\xdd" or frame[NEXT_HEADER_AT] != ICMPV6:
        return None
    kind, code = frame[TYPE_AT], frame[TYPE_AT + 1]
    if kind not in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT) or code or frame[21] != _HOP_LIMIT:
        return None
    length = int.from_bytes(frame[18:20], "big")
    message = frame[_BODY_AT : _BODY_AT + length]
    source, destination = IPv6Address(frame[22:38]), IPv6Address(frame[38:54])
    if len(message) < length or length < 24 or checksum(source, destination, message):
        return None
    asks = kind == NEIGHBOUR_SOLICITATION
    option = _SOURCE_LINK_LAYER_ADDRESS if asks else _TARGET_LINK_LAYER_ADDRESS
    return Ndp(asks, _option(message[24:], option) or frame[6:12], source, IPv6Address(message[8:24]))


def _option(options: bytes, wanted: int) -> bytes | None:
    """The link-layer address of that option."""
    while len(options) >= 8 and options[1]:
        if options[0] == wanted:
            return options[2:8]
        options = options[8 * options[1] :]
    return None


def answer(mac: bytes, asked: Ndp) -> bytes:
    """To a message that asks: `mac` has the target. Whoever has no address yet hears it with all others."""
    if asked.sender == _UNSPECIFIED:
        return unsolicited(mac, asked.target)
    return _advertisement(mac, asked.target, asked.mac, asked.sender, _SOLICITED | _OVERRIDE)


def unsolicited(mac: bytes, address: IPv6Address) -> bytes:
    """One Ethernet frame to all nodes of the link, from the address itself, with the Override flag set."""
    return _advertisement(mac, address, ALL_NODES_MAC, ALL_NODES, _OVERRIDE)


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The multicast group in which an address is asked for (RFC 4291 section 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE | (int(address) & 0xFFFFFF))


def _advertisement(mac: bytes, target: IPv6Address, to_mac: bytes, to: IPv6Address, flags: int) -> bytes:
    body = struct.pack("!I16sBB6s", flags, target.packed, _TARGET_LINK_LAYER_ADDRESS, 1, mac)
    unsummed = struct.pack("!BBH", NEIGHBOUR_ADVERTISEMENT, 0, 0) + body
    message = struct.pack("!BBH", NEIGHBOUR_ADVERTISEMENT, 0, checksum(target, to, unsummed)) + body
    ethernet = struct.pack("!6s6sH", to_mac, mac, ETHERTYPE)
    header = struct.pack("!IHBB16s16s", 6 << 28, len(message), ICMPV6, _HOP_LIMIT, target.packed, to.packed)
    return ethernet + header + message


def checksum(source: IPv6Address, destination: IPv6Address, message: bytes) -> int:
    """The ICMPv6 checksum over the pseudo-header and the message, whose own checksum field is zero (RFC 8200 section
    8.1). Over a message with its checksum in place it is 0.
    """
    data = source.packed + destination.packed + struct.pack("!II", len(message), ICMPV6) + message
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
