"""Netlink as bytes: messages and attributes out of values, and back. Sockets are in `netlink_io`.

Layouts are those of `linux/netlink.h`, `linux/nfnetlink.h` and `struct nlattr`: headers in host byte order, everything
netfilter carries in network byte order, attributes padded to four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from moorage.model.net import Family

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLM_F_DUMP_INTR = 0x10
"""Set on a dump's messages when the listed objects changed meanwhile: the listing is torn and has to be repeated."""

NLMSG_ERROR = 2
NLMSG_DONE = 3

SUBSYSTEM_CONNTRACK = 1
SUBSYSTEM_NFTABLES = 10
BATCH_BEGIN = 0x10
BATCH_END = 0x11

NFPROTO = {Family.IPV4: 2, Family.IPV6: 10}
"""`nfgen_family`: AF_INET and AF_INET6."""

_NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_NLMSGHDR = struct.Struct("=IHHII")
_NFGENMSG = struct.Struct("=BBH")
_NLATTR = struct.Struct("=HH")
HEADER_BYTES = _NLMSGHDR.size + _NFGENMSG.size
SEQUENCE_OFFSET = 8
FLAGS_OFFSET = 6


class Message(NamedTuple):
    """One request: its bytes with sequence number 0, and what it does, for the error that may come back."""

    data: bytes
    what: str


class Reply(NamedTuple):
    """One message from the kernel. `body` is what follows `struct nfgenmsg`: attributes."""

    type: int
    flags: int
    family: int
    body: bytes


def attribute(type_: int, payload: bytes) -> bytes:
    return _NLATTR.pack(4 + len(payload), type_) + payload + bytes(-len(payload) % 4)


def nested(type_: int, *attributes: bytes) -> bytes:
    return attribute(type_ | _NESTED, b"".join(attributes))


def text(type_: int, value: str) -> bytes:
    """A NUL-terminated string."""
    return attribute(type_, value.encode() + b"\0")


def be32(type_: int, value: int) -> bytes:
    return attribute(type_, struct.pack(">I", value & 0xFFFFFFFF))


def message(type_: int, flags: int, family: int, body: bytes = b"", resource: int = 0) -> bytes:
    """`type_` is `subsystem << 8 | message`; `resource` is `nfgenmsg.res_id`, the subsystem of a batch."""
    header = _NLMSGHDR.pack(HEADER_BYTES + len(body), type_, flags | NLM_F_REQUEST, 0, 0)
    return header + _NFGENMSG.pack(family, 0, int.from_bytes(struct.pack(">H", resource), "little")) + body


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute, flags stripped from the type. Raises ValueError on a torn one."""
    position, end = 0, len(data)
    while position + 4 <= end:
        length, type_ = _NLATTR.unpack_from(data, position)
        if length < 4 or position + length > end:
            raise ValueError(f"torn netlink attribute at byte {position} of {end}")
        yield type_ & _TYPE_MASK, data[position + 4 : position + length]
        position += (length + 3) & ~3


def replies(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, payload) of each message of one received datagram."""
    position, end = 0, len(data)
    while position + _NLMSGHDR.size <= end:
        length, type_, flags, sequence, _ = _NLMSGHDR.unpack_from(data, position)
        if length < _NLMSGHDR.size or position + length > end:
            raise ValueError(f"torn netlink message at byte {position} of {end}")
        yield type_, flags, sequence, data[position + _NLMSGHDR.size : position + length]
        position += (length + 3) & ~3
