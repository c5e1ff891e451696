"""Rows are those of `k8s.io/endpointslice/util/trigger_time_tracker_test.go`: looks in a row, and what each answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from moorage.control.trigger_times import TriggerTimes, annotated
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Pod
from moorage.model.service import Service
from tests.control.things import pod, service

T0, T1, T2, T3, T4, T5 = (f"2026-01-01T00:00:0{n}Z" for n in range(6))

Look = tuple[str, dict[str, str], str]
"""When the Service was made, when each Pod's readiness last changed, and the answer."""


def made(created: str) -> Service:
    one = service()
    return replace(one, metadata=replace(one.metadata, creation_timestamp=created))


def ready_since(name: str, since: str) -> Pod:
    one = pod(name, "10.244.1.2")
    [ready] = one.status.conditions
    return replace(one, status=replace(one.status, conditions=(replace(ready, last_transition_time=since),)))


ROWS: list[tuple[str, list[Look]]] = [
    ("TestNewServiceNoPods", [(T2, {}, T2)]),
    ("TestNewServiceExistingPods", [(T3, {"1": T0, "2": T1, "3": T5}, T3)]),
    ("TestPodsAdded", [(T0, {}, T0), (T0, {"1": T2, "2": T1}, T1)]),
    ("TestPodsUpdated", [(T0, {"1": T1, "2": T2, "3": T3}, T0), (T0, {"1": T5, "2": T4, "3": T3}, T4)]),
    ("TestPodsUpdatedNoOp", [(T0, {"1": T1, "2": T2}, T0), (T0, {"1": T1, "2": T2}, "")]),
    ("TestPodDeletedThenAdded", [(T0, {"1": T1, "2": T2}, T0), (T0, {"1": T1}, ""), (T0, {"1": T1, "2": T4}, T4)]),
    ("a newer Service of the same name", [(T0, {"1": T1}, T0), (T3, {"1": T1}, T3)]),
    ("a time in no usual form does not count", [(T0, {"1": "2026-01-01T00:00:00.5Z", "2": "then"}, T0), (T0, {"1": ""}, "")]),
]


@pytest.mark.parametrize("looks", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
def test_when_a_change_began(looks: list[Look]) -> None:
    times = TriggerTimes()
    for created, pods, expected in looks:
        assert times.since(made(created), [ready_since(*each) for each in pods.items()]) == expected


def test_a_deleted_service_is_forgotten() -> None:
    """`TestServiceDeletedThenAdded`."""
    times = TriggerTimes()
    times.since(made(T0), [])
    times.forget(made(T0).key)
    assert times.since(made(T0), []) == T0


def test_the_annotation_is_set_and_cleared() -> None:
    meta = ObjectMeta(name="web-a", annotations={"mine": "1"})
    said = annotated(meta, T1)
    assert said.annotations == {"mine": "1", "endpoints.kubernetes.io/last-change-trigger-time": T1}
    assert annotated(said, "") == meta
