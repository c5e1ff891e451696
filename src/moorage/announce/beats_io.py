"""The heartbeats on the network: one UDP socket for each own address, and who may send from which address."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from moorage.announce import heartbeat
from moorage.announce.heartbeat import Beat

_FREEBIND = 15
_IPV6_FREEBIND = 78
_URGENT = 0xC0
"""Class selector 6, as routing protocols have it (RFC 4594)."""


class Beats:
    """`follow` says who there is; nothing is heard of others. `sockets` are those to wait for."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._peers: Mapping[str, tuple[str, ...]] = {}
        self._own: dict[str, socket.socket] = {}

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return tuple(self._own.values())

    def follow(self, peers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """What could not be opened, and why."""
        self._peers = peers
        own, refused = peers.get(self._name, ()), []
        for address in self._own.keys() - set(own):
            self._own.pop(address).close()
        for address in own:
            if address not in self._own:
                try:
                    self._own[address] = self._open(address)
                except OSError as error:
                    refused.append(f"{address}: cannot listen for heartbeats at UDP port {self._port}: {error.strerror}")
        return tuple(refused)

    def close(self) -> None:
        for each in self._own.values():
            each.close()
        self._own.clear()

    def send(self, other: str, datagram: bytes) -> None:
        """From each own address to the other's of the same family. What does not get out is lost, as any datagram can
        be.
        """
        for address, made in self._own.items():
            for to in self._peers.get(other, ()):
                if (":" in to) == (":" in address):
                    try:
                        made.sendto(datagram, (to, self._port))
                    except OSError:
                        continue

    def read(self, ready: socket.socket) -> Beat | None:
        """One heartbeat from a socket that is readable, None for what is none, or comes from elsewhere than it says."""
        try:
            datagram, source = ready.recvfrom(heartbeat.LARGEST + 1)
        except OSError:
            return None
        if source[1] != self._port or len(datagram) > heartbeat.LARGEST:
            return None
        beat = heartbeat.decode(datagram)
        return beat if beat is not None and source[0] in self._peers.get(beat.name, ()) else None

    def _open(self, address: str) -> socket.socket:
        six = ":" in address
        made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if six:
                made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _URGENT)
            else:
                made.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _URGENT)
            made.setblocking(False)
            made.bind((address, self._port))
        except OSError:
            made.close()
            raise
        return made
