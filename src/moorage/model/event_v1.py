"""`events.k8s.io/v1` Event: another form of the `core/v1` Events that are stored (KEP-383).

Source of the pairs of fields: `pkg/apis/core` Event and `pkg/apis/events/v1/conversion.go`.
"""

from __future__ import annotations

import msgspec

from moorage.model.cluster import Event, EventSource
from moorage.model.meta import Object, ObjectReference
from moorage.model.wire import ApiType, Tree


class EventV1Series(ApiType, frozen=True):
    count: int = 0
    last_observed_time: str | None = None


class EventV1(Object, frozen=True):
    """`regarding` is `involvedObject` of core, `note` its `message`; what core alone has is `deprecated`."""

    event_time: str | None = None
    series: EventV1Series | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    action: str = ""
    reason: str = ""
    regarding: ObjectReference = ObjectReference()
    related: ObjectReference | None = None
    note: str = ""
    type: str = ""
    deprecated_source: EventSource = EventSource()
    deprecated_first_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None
    deprecated_count: int = 0


API_VERSION = "events.k8s.io/v1"


def as_core(event: EventV1) -> Event:
    """What is stored."""
    series: Tree | None = msgspec.to_builtins(event.series) if event.series else None
    return Event(
        api_version="v1",
        kind="Event",
        metadata=event.metadata,
        involved_object=event.regarding,
        reason=event.reason,
        message=event.note,
        source=event.deprecated_source,
        first_timestamp=event.deprecated_first_timestamp,
        last_timestamp=event.deprecated_last_timestamp,
        count=event.deprecated_count,
        type=event.type,
        event_time=event.event_time,
        series=series,
        action=event.action,
        related=event.related,
        reporting_component=event.reporting_controller,
        reporting_instance=event.reporting_instance,
    )


def from_core(event: Event) -> EventV1:
    """What a client of `events.k8s.io` sees. Nothing is lost on the way there and back."""
    series = msgspec.convert(event.series, EventV1Series) if event.series else None
    return EventV1(
        api_version=API_VERSION,
        kind="Event",
        metadata=event.metadata,
        regarding=event.involved_object,
        reason=event.reason,
        note=event.message,
        deprecated_source=event.source,
        deprecated_first_timestamp=event.first_timestamp,
        deprecated_last_timestamp=event.last_timestamp,
        deprecated_count=event.count,
        type=event.type,
        event_time=event.event_time,
        series=series,
        action=event.action,
        related=event.related,
        reporting_controller=event.reporting_component,
        reporting_instance=event.reporting_instance,
    )


FIELDS = {
    **{
        f"regarding.{field}": f"involvedObject.{field}"
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reportingController": "reportingComponent",
}
"""Field selectors of this form -> those of the stored one; the others are the same."""
