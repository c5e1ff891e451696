"""Event (`core/v1`). Source: `pkg/apis/core/validation/events.go`, `pkg/registry/core/event/strategy.go`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from moorage.model.cluster import Event
from moorage.model.errors import FieldError, invalid, required
from moorage.registry import formats
from moorage.registry.strategy import Strategy

_LONGEST = {"reportingInstance": 128, "action": 128, "reason": 128}
"""Characters. All three are needed where an event has an `eventTime`."""
_LONGEST_MESSAGE = 1024


class EventStrategy(Strategy[Event]):
    """Written by many hands and never fought over: updates need no version."""

    create_on_update = True
    fields = (
        "involvedObject.apiVersion", "involvedObject.fieldPath", "involvedObject.kind", "involvedObject.name",
        "involvedObject.namespace", "involvedObject.resourceVersion", "involvedObject.uid",
        "reason", "reportingComponent", "source", "type",
    )  # fmt: skip

    def validate(self, obj: Event) -> list[FieldError]:
        """An event lives in the namespace of what it is about; for cluster-scoped objects that is `default`."""
        times = {"firstTimestamp": obj.first_timestamp, "lastTimestamp": obj.last_timestamp, "eventTime": obj.event_time}
        errors = [invalid(path, value, text) for path, value in times.items() if value for text in formats.time(value)]
        about, here = obj.involved_object.namespace, obj.metadata.namespace
        if about != here and (about or here not in ("default", "kube-system")):
            errors.append(invalid("involvedObject.namespace", about, "does not match event.namespace"))
        is_new_style = bool(obj.event_time) and not formats.time(obj.event_time or "")
        return [*errors, *_new_style(obj)] if is_new_style else errors

    def selectable(self, obj: Event) -> Mapping[str, str]:
        about = obj.involved_object
        return {
            "involvedObject.apiVersion": about.api_version,
            "involvedObject.fieldPath": about.field_path,
            "involvedObject.kind": about.kind,
            "involvedObject.name": about.name,
            "involvedObject.namespace": about.namespace,
            "involvedObject.resourceVersion": about.resource_version,
            "involvedObject.uid": about.uid,
            "reason": obj.reason,
            "reportingComponent": obj.reporting_component,
            "source": obj.source.component or obj.reporting_component,
            "type": obj.type,
        }


def _new_style(obj: Event) -> Iterator[FieldError]:
    """An event with an `eventTime` is written by a client of `events.k8s.io` (KEP-383) and says who reports it."""
    controller = obj.reporting_component
    if not controller:
        yield required("reportingComponent")
    else:
        yield from (invalid("reportingComponent", controller, each) for each in formats.qualified_name(controller))
    given = {"reportingInstance": obj.reporting_instance, "action": obj.action, "reason": obj.reason}
    for field, most in _LONGEST.items():
        if not given[field]:
            yield required(field)
        elif len(given[field]) > most:
            yield invalid(field, "", f"can have at most {most} characters")
    if len(obj.message) > _LONGEST_MESSAGE:
        yield invalid("message", "", f"can have at most {_LONGEST_MESSAGE} characters")
