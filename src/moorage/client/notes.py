"""`Note` -> `core/v1` Event: the shape, and a memory of what was already said.

Source: client-go `tools/record/event.go` (makeEvent) and `events_cache.go` (one Event per message, with a count).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from moorage.model.clock import timestamp
from moorage.model.cluster import Event, EventSource
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Key, ObjectMeta, ObjectReference
from moorage.model.verbs import Note
from moorage.model.wire import Tree

MEMORY = 4096
"""Events remembered by one `Notes`; client-go's cache holds as many."""

MAX_NAME = 253
"""Characters of an object's name (RFC 1123 subdomain)."""

CLUSTER_EVENTS = "default"
"""The namespace of events about objects that live in none."""


class Notes:
    """How often each Event was said, by its key; the least recently said is forgotten first."""

    def __init__(self, size: int = MEMORY) -> None:
        self._size = size
        self._counts: OrderedDict[Key, int] = OrderedDict()

    def count(self, event: Key) -> int:
        """0 for what is not remembered."""
        return self._counts.get(event, 0)

    def said(self, event: Key, count: int) -> None:
        self._counts[event] = count
        self._counts.move_to_end(event)
        if len(self._counts) > self._size:
            self._counts.popitem(last=False)


def event_of(note: Note, component: str, now: float) -> Event:
    """The Event that says a note for the first time, at `now` in seconds since the epoch.

    Its name is a function of what is said, of whom and by whom: saying it again finds the same Event, also after a restart.
    """
    about, kind = note.about, BY_TYPE[type(note.about)]
    name = about.metadata.name
    weight = "Warning" if note.warning else "Normal"
    said = "\0".join((kind.resource, about.metadata.uid, component, weight, note.reason.value, note.message))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return Event(
        metadata=ObjectMeta(
            name=f"{name[: MAX_NAME - len(digest) - 1]}.{digest}", namespace=about.metadata.namespace or CLUSTER_EVENTS
        ),
        involved_object=ObjectReference(
            api_version=kind.api_version,
            kind=kind.kind,
            namespace=about.metadata.namespace,
            name=name,
            uid=about.metadata.uid,
            resource_version=about.metadata.resource_version,
        ),
        reason=note.reason.value,
        message=note.message,
        source=EventSource(component=component),
        first_timestamp=timestamp(now),
        last_timestamp=timestamp(now),
        count=1,
        type=weight,
        reporting_component=component,
    )


def again(count: int, now: float) -> Tree:
    """The merge patch that says an Event for the `count`-th time."""
    return {"count": count, "lastTimestamp": timestamp(now)}
