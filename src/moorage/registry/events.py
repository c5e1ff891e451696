"""Event (`core/v1`). Source: `pkg/apis/core/validation/events.go`, `pkg/registry/core/event/strategy.go`."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.cluster import Event
from moorage.model.errors import FieldError, invalid
from moorage.registry.strategy import Strategy


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
        about = obj.involved_object.namespace
        if about == obj.metadata.namespace or (not about and obj.metadata.namespace in ("default", "kube-system")):
            return []
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]

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
