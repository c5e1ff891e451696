"""ARP: what a frame says, the answer to a question, and the frames that tell the neighbours unasked (RFC 826, RFC
5227).
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import msgspec

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6

_REQUEST = 1
_REPLY = 2
_ETHERNET = struct.Struct("!6s6sH")
_BODY = struct.Struct("!HHBBH6s4s6s4s")


class Arp(msgspec.Struct, frozen=True):
    """One message: whether it asks who has `target`, and that `mac` is said to have `sender` (0.0.0.0 in a probe)."""

    asks: bool
    mac: bytes
    sender: IPv4Address
    target: IPv4Address


def read(frame: bytes) -> Arp | None:
    """None for a frame that is no ARP over Ethernet and IPv4."""
    if len(frame) < _ETHERNET.size + _BODY.size or frame[12:14] != b"\x08\x06":
        return None
    hardware, protocol, mac_length, length, operation, mac, sender, _, target = _BODY.unpack_from(frame, _ETHERNET.size)
    if (hardware, protocol, mac_length, length) != (1, 0x0800, 6, 4) or operation not in (_REQUEST, _REPLY):
        return None
    return Arp(operation == _REQUEST, mac, IPv4Address(sender), IPv4Address(target))


def answer(mac: bytes, asked: Arp) -> bytes:
    """To a message that asks: `mac` has the target."""
    head = _ETHERNET.pack(asked.mac, mac, ETHERTYPE)
    return head + _BODY.pack(1, 0x0800, 6, 4, _REPLY, mac, asked.target.packed, asked.mac, asked.sender.packed)


def gratuitous(mac: bytes, address: IPv4Address) -> tuple[bytes, bytes]:
    """A request and a reply, both broadcast, with the address as sender and as target: some hosts heed only one of
    them.
    """
    return _gratuitous(mac, address, _REQUEST), _gratuitous(mac, address, _REPLY)


def _gratuitous(mac: bytes, address: IPv4Address, operation: int) -> bytes:
    """Ethernet destination, source, type; then hardware type 1, protocol 0x0800, lengths 6 and 4, operation, sender,
    target.
    """
    target = b"\0" * 6 if operation == _REQUEST else mac
    head = _ETHERNET.pack(BROADCAST, mac, ETHERTYPE)
    return head + _BODY.pack(1, 0x0800, 6, 4, operation, mac, address.packed, target, address.packed)
