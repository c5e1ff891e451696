"""A client that asks its network by ARP who has an address, and hears everybody who says so."""

from __future__ import annotations

import socket
import threading
import time
from ipaddress import IPv4Address

from moorage.announce import arp
from moorage.announce.wire_io import identity
from moorage.lab import netns_io

_HEAD = bytes.fromhex("0001 0800 06 04 0001")
"""Ethernet, IPv4, their lengths, a request."""


def who_has(namespace: str, address: IPv4Address, own: IPv4Address, seconds: float = 0.5) -> set[str]:
    """The MACs that answer one question within the time."""
    with _Asking(namespace) as asking:
        asking.ask(address, own)
        asking.hear(seconds)
        return asking.heard.get(own, set())


class WhoHas:
    """Asks every 20 ms while it is entered. Each question comes from a made-up address, which its answers name: `answers` are
    the MACs that answered each of them.
    """

    PAUSE = 0.02

    def __init__(self, namespace: str, address: IPv4Address, made_up: IPv4Address) -> None:
        self.asked: list[IPv4Address] = []
        self._address = address
        self._next = made_up
        self._asking = _Asking(namespace)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def answers(self) -> list[set[str]]:
        return [self._asking.heard.get(each, set()) for each in self.asked]

    def __enter__(self) -> WhoHas:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        with self._asking as asking:
            while not self._ends.is_set():
                asking.ask(self._address, self._next)
                self.asked.append(self._next)
                self._next += 1
                asking.hear(self.PAUSE)
            asking.hear(0.5)


class _Asking:
    """`heard` are the MACs that answered each address asked from."""

    def __init__(self, namespace: str) -> None:
        self.heard: dict[IPv4Address, set[str]] = {}
        with netns_io.inside(namespace):
            _, self._mac = identity("eth0")
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETHERTYPE))
            self._wire.bind(("eth0", arp.ETHERTYPE))

    def __enter__(self) -> _Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def ask(self, address: IPv4Address, own: IPv4Address) -> None:
        frame = arp.BROADCAST + self._mac + b"\x08\x06" + _HEAD + self._mac + own.packed + bytes(6) + address.packed
        self._address = address
        self._wire.send(frame)

    def hear(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._wire.settimeout(left)
            try:
                said = arp.read(self._wire.recv(2048))
            except TimeoutError:
                return
            if said is not None and not said.asks and said.sender == self._address != said.target:
                self.heard.setdefault(said.target, set()).add(said.mac.hex(":"))
