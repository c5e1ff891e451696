"""One client of `moorage bench connect`: short TCP connections, one after the other, now on one way and now on another.

    standard input: `bench_connect_stats.Orders` as JSON on one line
    standard output: a list of `Tally`, one for each turn, as JSON

A connection is opened, sends one byte, reads the answer up to its end, which the server makes, and is closed. Nothing is set
on it but a limit for reading.
"""

from __future__ import annotations

import _socket
import gc
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from moorage.run.bench_connect_stats import Orders, Route, Tally

SLOW = 0.5
"""Seconds from which on a connect counts as slow: a SYN that is lost is sent again after 1 s (RFC 6298 section 2)."""

_THREE_SECONDS = (3).to_bytes(8, sys.byteorder) + bytes(8)
"""A `struct timeval` (socket(7), SO_RCVTIMEO)."""
_CHUNK = 200

OUTCOMES = ("done", "failed", "resets", "misdirected", "slow")
"""Fields of Tally."""


def connect(target: tuple[str, int], expected: bytes, outcomes: Counter[str]) -> None:
    """One connection; what came of it is counted under the name of a field of Tally."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
    try:
        made.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _THREE_SECONDS)
        since = time.monotonic()
        try:
            made.connect(target)
        finally:
            if time.monotonic() - since > SLOW:
                outcomes["slow"] += 1
        made.send(b"?")
        answer = made.recv(_CHUNK)
        while more := made.recv(_CHUNK):
            answer += more
        outcomes["done" if answer == expected else "misdirected"] += 1
    except ConnectionResetError:
        outcomes["resets"] += 1
    except OSError:
        outcomes["failed"] += 1
    finally:
        made.close()


def take_turn(route: Route, end: float, server: Path) -> Tally:
    """One connection after the other until `end`; the last one may take longer, and so does the turn then."""
    expected, outcomes = route.answer.encode(), Counter[str]()
    since, cpu, server_cpu = time.monotonic(), time.process_time(), _on_processor(server)
    while time.monotonic() < end:
        connect(route.target, expected, outcomes)
    counts = {name: outcomes[name] for name in OUTCOMES}
    seconds, cpu, server_cpu = time.monotonic() - since, time.process_time() - cpu, _on_processor(server) - server_cpu
    return Tally(**counts, seconds=seconds, cpu=cpu, server_cpu=server_cpu)


def _on_processor(schedstat: Path) -> float:
    """Seconds, from the first number of /proc/PID/schedstat, which has nanoseconds."""
    return int(schedstat.read_text().split()[0]) / 1e9


def run(orders: Orders) -> list[Tally]:
    """A turn that is more than half over is missed: a connection of the one before had hung."""
    server = Path(f"/proc/{orders.server}/schedstat")
    tallies = []
    for turn in orders.turns:
        time.sleep(max(0.0, turn.at - time.monotonic()))
        missed = time.monotonic() - turn.at > orders.length / 2
        tallies.append(Tally() if missed else take_turn(orders.routes[turn.way], turn.at + orders.length, server))
    return tallies


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    gc.disable()
    sys.stdout.buffer.write(msgspec.json.encode(run(orders)))


if __name__ == "__main__":
    main()
