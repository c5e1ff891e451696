"""TCP sockets that notice a dead peer: a silent watch must not outlive its server unnoticed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""What `socket.getaddrinfo` answers: family, type, protocol, canonical name, address."""

SocketFactory = Callable[[AddressInfo], socket.socket]

IDLE_SECONDS = 10
INTERVAL_SECONDS = 5
PROBES = 3
"""A peer that answers nothing is given up after 10 + 3 * 5 seconds (client-go's HTTP/2 health check: 30 + 15)."""


def plain(info: AddressInfo) -> socket.socket:
    """A socket in the network namespace of the calling process."""
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


def watchful(factory: SocketFactory) -> SocketFactory:
    """The same sockets with keep-alive probes (RFC 9293, 3.8.4), and TCP_USER_TIMEOUT for what is sent into the void."""

    def make(info: AddressInfo) -> socket.socket:
        made = factory(info)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * (IDLE_SECONDS + PROBES * INTERVAL_SECONDS))
        return made

    return make
