"""Whom to look at next: the touched, less those that wait for their own writes, at most one batch in a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from moorage.control.in_flight import InFlight
from moorage.control.types import Plan
from moorage.model.meta import Key
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Verb

BATCH = 100
"""Objects looked at in one call; the others follow at once, so that a first list of thousands does not hold up a change."""


class WorkQueue:
    """Keys in the order in which they were touched, each once."""

    def __init__(self, batch: int = BATCH) -> None:
        self._batch = batch
        self._in_flight = InFlight()
        self._due: dict[Key, None] = {}

    def add(self, keys: Iterable[Key]) -> None:
        self._due |= dict.fromkeys(keys)

    def shown(self, changes: Changes) -> None:
        """What changed since the last turn: writes among it need no longer be waited for."""
        self._in_flight.shown(changes)

    def turn(self, snapshot: Snapshot, now: float, plan: Callable[[Key], Sequence[Verb]]) -> Plan:
        """Plans for one batch. Those whose last writes are not visible in the snapshot stay due."""
        verbs: list[Verb] = []
        blocked: dict[Key, float] = {}
        looked_at = 0
        for key in list(self._due):
            if looked_at == self._batch:
                break
            until = self._in_flight.blocked_until(key, snapshot, now)
            if until is not None:
                blocked[key] = until
                continue
            looked_at += 1
            del self._due[key]
            planned = plan(key)
            self._in_flight.sent(key, planned, snapshot, now)
            verbs += planned
        more = len(self._due) > len(blocked)
        return Plan(tuple(verbs), now if more else min(blocked.values(), default=None))

    def failed(self, verbs: Sequence[Verb]) -> None:
        """These writes did not happen: whom they were for is due again."""
        self.add(sorted(self._in_flight.failed(verbs)))
