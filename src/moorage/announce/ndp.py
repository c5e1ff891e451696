"""An IPv6 address and who has it now -> the neighbour advertisement that tells everybody unasked (RFC 4861 section 7.2.6)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

ETHERTYPE = 0x86DD
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")

_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000
_TARGET_LINK_LAYER_ADDRESS = 2
_HOP_LIMIT = 255


def unsolicited(mac: bytes, address: IPv6Address) -> bytes:
    """One Ethernet frame to all nodes of the link, from the address itself, with the Override flag set."""
    body = struct.pack("!I16sBB6s", _OVERRIDE, address.packed, _TARGET_LINK_LAYER_ADDRESS, 1, mac)
    unsummed = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, 0) + body
    message = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, checksum(address, ALL_NODES, unsummed)) + body
    ethernet = struct.pack("!6s6sH", ALL_NODES_MAC, mac, ETHERTYPE)
    header = struct.pack("!IHBB16s16s", 6 << 28, len(message), _ICMPV6, _HOP_LIMIT, address.packed, ALL_NODES.packed)
    return ethernet + header + message


def checksum(source: IPv6Address, destination: IPv6Address, message: bytes) -> int:
    """The ICMPv6 checksum over the pseudo-header and the message, whose own checksum field is zero (RFC 8200 section 8.1)."""
    data = source.packed + destination.packed + struct.pack("!II", len(message), _ICMPV6) + message
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
