"""Asks many addresses all the time whether they answer: TCP connections, from one process, with little of a processor.

    standard input: a list of `Target` as JSON on one line; its end is the end of the program
    standard output: "asking", "answered" once each target has answered, and at the end a list of `Outcome` as JSON

Until the first of all has answered, a new connection begins every millisecond, each to the next target. From then on those that
are still silent are tried again every 5 ms, and the others every tenth of a second.
"""

from __future__ import annotations

import gc
import select
import socket
import sys
import time
from collections import deque

import msgspec

TICK = 0.001
HURRY = 0.005
AGAIN = 0.1
PATIENCE = 0.9
"""Seconds that a target which has answered before has for the next answer. A lost SYN is sent again after 1 s (RFC 6298)."""

_CHUNK = 200
_STDIN = 0


class Target(msgspec.Struct, frozen=True):
    """Good answers end with one of `backends`: the address that the connection arrived at."""

    address: str
    port: int
    backends: frozenset[str]


class Outcome(msgspec.Struct):
    """`first` is when a target had answered first, in seconds of CLOCK_MONOTONIC. What counts comes after that: good answers,
    connections without one, and the longest time without a good one in seconds.
    """

    first: float | None = None
    answered: int = 0
    failed: int = 0
    gap: float = 0.0


class Asked:
    """One target, and the one connection to it that may be under way."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.outcome = Outcome()
        self.connection: socket.socket | None = None
        self.since = 0.0
        self.last = 0.0

    def count(self, good: bool, now: float) -> None:
        outcome = self.outcome
        if outcome.first is None:
            if good:
                outcome.first = self.last = now
        elif good:
            outcome.answered += 1
            outcome.gap, self.last = max(outcome.gap, now - self.last), now
        else:
            outcome.failed += 1


class Probe:
    """`silent` have not answered yet, `known` have; both are gone through in turns."""

    def __init__(self, targets: list[Target]) -> None:
        self.all = [Asked(each) for each in targets]
        self._silent = deque(self.all)
        self._known: deque[Asked] = deque()
        self._poll = select.epoll()
        self._under_way: dict[int, Asked] = {}

    def run(self) -> list[Outcome]:
        """Until standard input ends."""
        self._poll.register(_STDIN, select.EPOLLIN | select.EPOLLHUP)
        due = time.monotonic()
        while True:
            for descriptor, event in self._poll.poll(TICK):
                if descriptor == _STDIN:
                    return self._outcomes(time.monotonic())
                self._go_on(self._under_way[descriptor], event)
            now = time.monotonic()
            if now >= due:
                due = now + TICK
                self._ask_silent(now)
                self._ask_known(now)

    def _outcomes(self, now: float) -> list[Outcome]:
        for each in self._known:
            each.outcome.gap = max(each.outcome.gap, now - each.last)
        return [each.outcome for each in self.all]

    def _ask_silent(self, now: float) -> None:
        if self._known:
            for each in self._silent:
                if now - each.since > HURRY:
                    self._ask(each, now)
        elif self._silent:
            self._silent.rotate(-1)
            self._ask(self._silent[-1], now)

    def _ask_known(self, now: float) -> None:
        if not self._known:
            return
        self._known.rotate(-1)
        asked = self._known[-1]
        if now - asked.since > (PATIENCE if asked.connection else AGAIN):
            if asked.connection:
                asked.count(False, now)
            self._ask(asked, now)

    def _ask(self, asked: Asked, now: float) -> None:
        """A new connection; one that is under way is given up."""
        self._end(asked)
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        made.connect_ex((asked.target.address, asked.target.port))
        asked.connection, asked.since = made, now
        self._under_way[made.fileno()] = asked
        self._poll.register(made.fileno(), select.EPOLLOUT)

    def _go_on(self, asked: Asked, event: int) -> None:
        connection = asked.connection
        assert connection is not None
        try:
            if event & select.EPOLLOUT:
                connection.send(b"?")
                self._poll.modify(connection.fileno(), select.EPOLLIN)
                return
            answer = connection.recv(_CHUNK).decode(errors="replace")
        except OSError:
            answer = ""
        self._end(asked)
        was_silent = asked.outcome.first is None
        asked.count(answer.rpartition(" ")[2] in asked.target.backends, time.monotonic())
        if was_silent and asked.outcome.first is not None:
            self._silent.remove(asked)
            self._known.append(asked)
            if not self._silent:
                _say("answered")

    def _end(self, asked: Asked) -> None:
        if asked.connection is not None:
            del self._under_way[asked.connection.fileno()]
            asked.connection.close()
            asked.connection = None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    targets = msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Target])
    gc.disable()
    probe = Probe(targets)
    _say("asking")
    _say(msgspec.json.encode(probe.run()).decode())


if __name__ == "__main__":
    main()
