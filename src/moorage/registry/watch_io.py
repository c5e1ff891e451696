"""A watch seen through a selection: an object that starts to match is ADDED, one that stops matching is DELETED.

Source: apiserver `storage/cacher`: the event of an object that leaves carries its last matching state under the new revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from moorage.manifest.convert import encode, load
from moorage.model.kinds import Kind
from moorage.model.ports import ADDED, DELETED, MODIFIED, Record, StoreEvent, Subscription
from moorage.registry.selection import Selection


class SelectedSubscription:
    """Implements `model.ports.Subscription` over one that shows everything."""

    def __init__(self, kind: Kind, inner: Subscription, selection: Selection) -> None:
        self._kind = kind
        self._inner = inner
        self._selection = selection

    @property
    def revision(self) -> int:
        return self._inner.revision

    async def next(self, timeout: float | None = None) -> Sequence[StoreEvent]:
        clock = asyncio.get_running_loop().time
        end = None if timeout is None else clock() + timeout
        while True:
            arrived = await self._inner.next(None if end is None else max(0.0, end - clock()))
            seen = [event for each in arrived if (event := seen_through(self._kind, self._selection, each))]
            if seen or not arrived:
                return seen

    def close(self) -> None:
        self._inner.close()


def seen_through(kind: Kind, selection: Selection, event: StoreEvent) -> StoreEvent | None:
    """What a watcher with that selection sees of an event, or None."""
    was = event.previous is not None and selection.shows(event.previous)
    if event.type == DELETED:
        return event if was else None
    shows = selection.shows(event.record)
    if shows and not was:
        return StoreEvent(ADDED, event.record)
    if shows:
        return StoreEvent(MODIFIED, event.record, event.previous)
    if was and event.previous is not None:
        return StoreEvent(DELETED, restamped(kind, event.previous, event.revision), event.previous)
    return None


def restamped(kind: Kind, record: Record, revision: int) -> Record:
    """The same state under another revision."""
    obj = load(kind, record.body)
    metadata = msgspec.structs.replace(obj.metadata, resource_version=str(revision))
    body = encode(msgspec.structs.replace(obj, metadata=metadata))
    return Record(record.resource, record.key, revision, body, record.labels)
