"""An IPv4 address and who has it now -> the Ethernet frames that tell the neighbours (RFC 5227 section 3, RFC 826)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6

_REQUEST = 1
_REPLY = 2


def gratuitous(mac: bytes, address: IPv4Address) -> tuple[bytes, bytes]:
    """A request and a reply, both broadcast, with the address as sender and as target: some hosts heed only one of them."""
    return _frame(mac, address, _REQUEST), _frame(mac, address, _REPLY)


def _frame(mac: bytes, address: IPv4Address, operation: int) -> bytes:
    """Ethernet destination, source, type; then hardware type 1, protocol 0x0800, lengths 6 and 4, operation, sender, target."""
    target = b"\0" * 6 if operation == _REQUEST else mac
    header = struct.pack("!6s6sH", BROADCAST, mac, ETHERTYPE)
    return header + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac, address.packed, target, address.packed)
