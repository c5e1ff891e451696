"""The newest events of a store, for watches: kind and revision -> the events after it, or 410."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from moorage.model.errors import gone
from moorage.model.ports import StoreEvent
from moorage.store.state import EMPTY_REVISION

DEFAULT_HISTORY = 10_000
"""Events kept, of all kinds together. The bodies are shared with the state, so an event of a live object costs little."""


class History:
    """A ring of the last `limit` events. Every watch reads this one ring, so it is also the bound on how far a reader may
    fall behind, and a reader costs no memory of its own. Events up to `floor` were forgotten before this ring began.
    """

    def __init__(self, limit: int = DEFAULT_HISTORY, floor: int = EMPTY_REVISION) -> None:
        if limit < 1:
            raise ValueError(f"a store keeps at least one event, not {limit}")
        self._limit = limit
        self._floor = floor
        self._order: deque[str] = deque()
        self._events: dict[str, deque[StoreEvent]] = {}
        self._forgotten: dict[str, int] = {}
        self._answers: dict[str, tuple[int, Sequence[StoreEvent]]] = {}

    def append(self, event: StoreEvent) -> None:
        resource = event.record.resource
        self._answers.pop(resource, None)
        self._events.setdefault(resource, deque()).append(event)
        self._order.append(resource)
        if len(self._order) > self._limit:
            oldest = self._order.popleft()
            self._forgotten[oldest] = self._events[oldest].popleft().revision
            self._answers.pop(oldest, None)

    def after(self, resource: str, revision: int) -> Sequence[StoreEvent]:
        """The events of a kind after `revision`, oldest first, in time proportional to their number. The last answer
        is kept until the next event, so a thousand readers at the same revision get the same sequence.

        Raises ApiError 410 when an event of that kind after `revision` was forgotten; those of other kinds do not matter.
        """
        forgotten = self._forgotten.get(resource, self._floor)
        if revision < forgotten:
            raise gone(f"too old resource version: {revision} ({forgotten})")
        if (last := self._answers.get(resource)) and last[0] == revision:
            return last[1]
        found: list[StoreEvent] = []
        for event in reversed(self._events.get(resource, ())):
            if event.revision <= revision:
                break
            found.append(event)
        answer = tuple(reversed(found))
        self._answers[resource] = (revision, answer)
        return answer
