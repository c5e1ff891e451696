"""Changes of EndpointSlices -> whether somebody may wait for them to be in every kernel: an endpoint is leaving."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.model.meta import Key
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot


class Departures:
    """Sees snapshots in order. A look costs what has changed."""

    def __init__(self) -> None:
        self._before: Snapshot = Snapshot()
        self._terminating: set[Key] = set()
        """The slices with a terminating endpoint."""

    def see(self, snapshot: Snapshot, changes: Changes) -> bool:
        """Whether a ready endpoint of before is ready no more, or any slice has one that is terminating: who waits for the
        latter may wait for another one to become ready, in whatever slice.
        """
        if changes.everything:
            self._before, self._terminating = Snapshot(), set()
        keys: Iterable[Key] = snapshot.all(EndpointSlice) if changes.everything else changes.of(EndpointSlice)
        left = False
        for key in keys:
            before, now = self._before.get(EndpointSlice, key), snapshot.get(EndpointSlice, key)
            self._terminating.discard(key)
            if now is not None and any(each.conditions.terminating for each in now.endpoints):
                self._terminating.add(key)
            left = left or (before is not None and not _ready(before) <= _ready(now))
        if keys:
            self._before = Snapshot({EndpointSlice: snapshot.all(EndpointSlice)})
        return bool(keys) and (left or bool(self._terminating))


def _ready(slice_: EndpointSlice | None) -> set[tuple[str, ...]]:
    return {each.addresses for each in slice_.endpoints if each.ready} if slice_ is not None else set()
