"""UDP on all addresses of a node, answered from the address that was asked.

A socket bound to the wildcard would answer from whatever address the route prefers; behind the address translation of a Service
such an answer belongs to no connection and is lost. IP_PKTINFO (ip(7)) and IPV6_PKTINFO (RFC 3542) tell and choose the address.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

IP_PKTINFO = 8
"""Of <linux/in.h>; the socket module does not name it."""

LARGEST_QUERY = 4096
"""Bytes read of a datagram; a query is far smaller."""

_CONTROL_SPACE = 128


class Datagram(NamedTuple):
    """`at` is the control message that makes the kernel answer from the address that was asked."""

    data: bytes
    peer: tuple[object, ...]
    at: list[tuple[int, int, bytes]]


def open_datagrams(address: str, port: int) -> socket.socket:
    """A bound, non-blocking socket. An IPv6 address serves IPv6 only. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if family is socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def receive(opened: socket.socket) -> Datagram | None:
    """The next datagram, or None where none waits. An error that an earlier answer met on its way (ICMP) is skipped."""
    try:
        data, control, _, peer = opened.recvmsg(LARGEST_QUERY, _CONTROL_SPACE)
    except OSError:
        return None
    return Datagram(data, peer, [_answering(*each) for each in control])


def send(opened: socket.socket, data: bytes, to: Datagram) -> None:
    """Answers. A datagram that the kernel does not take is lost, as any may be: the client asks again."""
    try:
        opened.sendmsg([data], to.at, 0, to.peer)
    except OSError:
        return


def _answering(level: int, type_: int, data: bytes) -> tuple[int, int, bytes]:
    """The control message for the answer. `in_pktinfo` is interface, local address, destination: the interface is left to
    the route (the way back may be another one); `in6_pktinfo` is address, interface, which link-local addresses need.
    """
    if (level, type_) == (socket.IPPROTO_IP, IP_PKTINFO):
        return level, type_, bytes(4) + data[4:8] + bytes(4)
    return level, type_, data
