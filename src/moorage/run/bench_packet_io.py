"""From now to the first good packet: datagrams to an address of a Service until one is answered as it should be.

Each datagram leaves from a new socket, so that no connection tracking of an earlier one decides its way. The time is that at
which the first one with a good answer was sent.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Collection, Sequence

from moorage.lab.netns_io import socket_in
from moorage.model.errors import HostError

LIMIT = 10.0
"""Seconds after which nothing is waited for any more."""
PACE = 0.0002
"""Seconds between two datagrams of one namespace; more later on, a fiftieth of the time that has passed."""
_SLOWDOWN = 0.02
_KEPT = 200
"""Sockets. An answer takes less than the time of so many later questions."""


def first_good_packet(namespaces: Sequence[str], address: str, port: int, backends: Collection[str] = ()) -> float:
    """Seconds from the call until the address has been reached from each namespace. Raises HostError after 10 s.

    Where `backends` are given, the answer has to come from one of them: it ends with the address that was reached.
    """
    start = time.monotonic()
    waiting = dict.fromkeys(namespaces)
    sent: dict[socket.socket, tuple[str, float]] = {}
    slowest = 0.0
    try:
        while waiting:
            for namespace in waiting:
                asking = socket_in(namespace, type_=socket.SOCK_DGRAM)
                asking.connect((address, port))
                sent[asking] = (namespace, time.monotonic() - start)
                asking.send(b"hello\n")
            pace = max(PACE, _SLOWDOWN * (time.monotonic() - start))
            for answered in select.select(list(sent), [], [], pace)[0]:
                namespace, at = sent.pop(answered)
                with answered:
                    good = _is_good(answered, backends)
                if good and namespace in waiting:
                    del waiting[namespace]
                    slowest = max(slowest, at)
            _drop_old(sent)
            if time.monotonic() - start > LIMIT:
                raise HostError(f"{address}:{port}/udp was not reached within {LIMIT:.0f} s from {', '.join(waiting)}")
    finally:
        for each in sent:
            each.close()
    return slowest


def _is_good(asking: socket.socket, backends: Collection[str]) -> bool:
    """Whether an answer came from where it should, and not a refusal: the Service's rules are not there yet."""
    try:
        answer = asking.recv(2048).decode(errors="replace")
    except OSError:
        return False
    return bool(answer) and (not backends or answer.rpartition(" ")[2] in backends)


def _drop_old(sent: dict[socket.socket, tuple[str, float]]) -> None:
    for each in list(sent)[:-_KEPT]:
        each.close()
        del sent[each]
