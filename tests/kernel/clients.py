"""Clients that make connections all the time while something happens to those who forward them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from moorage.model.net import Address, Family
from tests.kernel.topology import Entered

PATIENCE = 8.0
"""Seconds. A first SYN on its way when its backend goes is sent again after one, and the next one after two more."""

Way = tuple[Entered, Address, int]
"""From where to where."""


class Asked(NamedTuple):
    """One connection: when it began and ended (monotonic), and which backend answered."""

    since: float
    until: float
    answer: str


class Clients:
    """A thread for each way, which makes one connection after the other until the block ends, a pause in between."""

    def __init__(self, *ways: Way, pause: float = 0.001) -> None:
        self.asked: list[Asked] = []
        self.failed: list[str] = []
        self._pause = pause
        self._stop = threading.Event()
        self._connecting = [threading.Lock() for _ in ways]
        asked = zip(self._connecting, ways, strict=True)
        self._threads = [threading.Thread(target=self._ask, args=(lock, *way)) for lock, way in asked]

    def __enter__(self) -> Clients:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(2 * PATIENCE)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """In the block no connection is under way."""
        with ExitStack() as stack:
            for each in self._connecting:
                stack.enter_context(each)
            yield

    def _ask(self, connecting: threading.Lock, namespace: Entered, address: Address, port: int) -> None:
        while not self._stop.wait(self._pause):
            with connecting:
                since = time.monotonic()
                try:
                    answer = namespace.ask(address, port, socket.SOCK_STREAM, PATIENCE).split()[0]
                except OSError as error:
                    self.failed.append(f"{address}: {error!r} after {time.monotonic() - since:.2f} s")
                else:
                    self.asked.append(Asked(since, time.monotonic(), answer))


class Held:
    """One open connection, or one flow of datagrams, for each way."""

    def __init__(self, *ways: Way, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        self._sockets = [_connected(*way, kind) for way in ways]
        self.answers = self.exchange()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()

    def exchange(self) -> Sequence[str]:
        """Who answers on each of them."""
        for each in self._sockets:
            each.send(b"?")
        return [each.recv(200).decode().split()[0] for each in self._sockets]


def _connected(namespace: Entered, address: Address, port: int, kind: socket.SocketKind) -> socket.socket:
    made = namespace.open_socket(Family.of(address), kind)
    made.connect((str(address), port))
    return made
