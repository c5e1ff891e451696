"""Is an address in use? The question as a frame, and what a frame that was heard says to it.

The question is an ARP probe (RFC 5227 section 2.1.1) or the solicitation of duplicate address detection (RFC 4862 section
5.4.2): neither tells the neighbours that the asker has the address. Whoever asks the same at the same time wants it too.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from moorage.announce import arp, ndp
from moorage.model.net import Address

NOBODY4, NOBODY6 = IPv4Address(0), IPv6Address(0)

_ASK_FOR_ADDRESS = 1
_HOP_LIMIT = 255


def question(mac: bytes, address: Address) -> bytes:
    """An Ethernet frame from `mac`, to all (ARP) or to the group in which the address is asked for (NDP)."""
    if isinstance(address, IPv4Address):
        head = struct.pack("!6s6sH", arp.BROADCAST, mac, arp.ETHERTYPE)
        body = (1, 0x0800, 6, 4, _ASK_FOR_ADDRESS, mac, NOBODY4.packed, b"\0" * 6, address.packed)
        return head + struct.pack("!HHBBH6s4s6s4s", *body)
    group = ndp.solicited_node(address)
    head = struct.pack("!6s6sH", b"\x33\x33" + group.packed[12:], mac, ndp.ETHERTYPE)
    body6 = b"\0" * 4 + address.packed
    check = ndp.checksum(NOBODY6, group, struct.pack("!BBH", ndp.NEIGHBOUR_SOLICITATION, 0, 0) + body6)
    message = struct.pack("!BBH", ndp.NEIGHBOUR_SOLICITATION, 0, check) + body6
    ip = struct.pack("!IHBB16s16s", 6 << 28, len(message), ndp.ICMPV6, _HOP_LIMIT, NOBODY6.packed, group.packed)
    return head + ip + message


def claimed(frame: bytes, own: bytes) -> tuple[Address, bytes] | None:
    """An address that another machine than `own` has or wants, and its MAC address; None for any other frame."""
    message = arp.read(frame) or ndp.read(frame)
    if message is None or message.mac == own:
        return None
    if isinstance(message, ndp.Ndp):
        wants = message.sender == NOBODY6 if message.asks else True
        return (message.target, message.mac) if wants else None
    if message.sender != NOBODY4:
        return message.sender, message.mac
    return (message.target, message.mac) if message.asks else None
