"""When the change began that a write of endpoints answers to: `endpoints.kubernetes.io/last-change-trigger-time`.

Source: upstream `k8s.io/endpointslice/util/trigger_time_tracker.go`. Times are compared as text: `metav1.Time` is always
written in UTC with whole seconds; a time in another form does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from moorage.model.endpoints import LAST_CHANGE_ANNOTATION
from moorage.model.meta import Key, ObjectMeta, condition
from moorage.model.pods import Pod
from moorage.model.service import Service

_FORM = "2006-01-02T15:04:05Z"


class _Seen(msgspec.Struct, frozen=True):
    """The times at the last look. `pods` by name."""

    service: str
    pods: Mapping[str, str]


class TriggerTimes:
    """Remembers the times of each Service's last look; what changed twice between two looks counts with its later time."""

    def __init__(self) -> None:
        self._seen: dict[Key, _Seen] = {}

    def since(self, service: Service, pods: Iterable[Pod]) -> str:
        """The earliest time that is newer than at the last look, or an empty string. A Service that is seen for the first
        time answers with its creation.
        """
        last = self._seen.get(service.key)
        created = _time(service.metadata.creation_timestamp)
        times = {pod.metadata.name: ready for pod in pods if (ready := _ready_since(pod))}
        self._seen[service.key] = _Seen(created, times)
        if last is None:
            return created
        newer = [each for name, each in times.items() if each > last.pods.get(name, "")]
        return min([*newer, created] if created > last.service else newer, default="")

    def forget(self, service: Key) -> None:
        self._seen.pop(service, None)


def annotated(meta: ObjectMeta, since: str) -> ObjectMeta:
    """With the annotation, or without where no time is known."""
    rest = {key: value for key, value in meta.annotations.items() if key != LAST_CHANGE_ANNOTATION}
    return replace(meta, annotations=rest | {LAST_CHANGE_ANNOTATION: since} if since else rest)


def _ready_since(pod: Pod) -> str:
    ready = condition(pod.status.conditions, "Ready")
    return _time(ready.last_transition_time) if ready is not None else ""


def _time(text: str | None) -> str:
    return text if text is not None and len(text) == len(_FORM) and text[-1] == "Z" else ""
