"""Who asks and who answers in `moorage bench failover`: datagrams with numbers, each answered by itself.

    answer PORT                  answers ask ADDRESS PORT RATE        asks so many times a second; a line on standard
    input is answered by a line of JSON: a Window

A request counts as lost when its answer is not there PATIENCE after the question for figures. Run with `python -I -S`
and without site packages: it imports the standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

PATIENCE = 0.5
"""Seconds."""
SO_RCVBUFFORCE = 33
"""socket(7), of `asm-generic/socket.h`: root is not bound by net.core.rmem_max."""
ROOM = 8 << 20
"""Bytes of what has arrived and is not read yet: a program that has to wait for a busy processor loses nothing."""
_NUMBER = struct.Struct("!Q")
_MOST = 64


def roomy() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    return made


def answer(port: int) -> None:
    made = roomy()
    made.bind(("", port))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        data, peer = made.recvfrom(2048)
        try:
            made.sendto(data, peer)
        except OSError:
            continue


class Asker:
    def __init__(self, address: str, port: int, rate: float) -> None:
        self._socket = roomy()
        self._socket.setblocking(False)
        self._to = (address, port)
        self._pause = 1 / rate
        self._sent: list[float] = []
        self._answered = bytearray()
        self._first = 0
        self._asked_at: float | None = None

    def run(self) -> None:
        poll = select.epoll()
        poll.register(self._socket.fileno(), select.EPOLLIN)
        poll.register(0, select.EPOLLIN)
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                self._ask(now)
                due = max(due + self._pause, now - 0.01)
            if self._asked_at is not None and now >= self._asked_at + PATIENCE:
                self._report(self._asked_at)
                self._asked_at = None
            for descriptor, _ in poll.poll(max(0.0, due - now)):
                if descriptor:
                    self._hear()
                elif not sys.stdin.buffer.readline():
                    return
                else:
                    self._asked_at = time.monotonic()

    def _ask(self, now: float) -> None:
        number = self._first + len(self._sent)
        self._sent.append(now)
        self._answered.append(0)
        try:
            self._socket.sendto(_NUMBER.pack(number), self._to)
        except OSError:
            return

    def _hear(self) -> None:
        for _ in range(_MOST):
            try:
                (number,) = _NUMBER.unpack(self._socket.recv(64))
            except OSError:
                return
            if number >= self._first:
                self._answered[number - self._first] = 1

    def _report(self, until: float) -> None:
        """Forgets what it reports."""
        count = next((index for index, at in enumerate(self._sent) if at > until), len(self._sent))
        lost, longest, begun = 0, 0.0, None
        for index in range(count):
            if self._answered[index]:
                begun = None
                continue
            lost += 1
            begun = self._sent[index] if begun is None else begun
            after = self._sent[index + 1] if index + 1 < len(self._sent) else until
            longest = max(longest, after - begun)
        tail = bool(count) and not self._answered[count - 1]
        figures = {"asked": count, "lost": lost, "outage_s": round(longest, 4), "out_now": tail}
        del self._sent[:count]
        del self._answered[:count]
        self._first += count
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> None:
    if arguments[0] == "answer":
        answer(int(arguments[1]))
    else:
        Asker(arguments[1], int(arguments[2]), float(arguments[3])).run()


if __name__ == "__main__":
    main(sys.argv[1:])
