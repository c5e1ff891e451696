"""Times as clients write them, as the API keeps them. Source: apimachinery `meta/v1/time.go`, `micro_time.go`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.manifest.times import canonical_times, times_of
from moorage.model.cluster import Event, Lease, Node
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z"),
        ("nonsense", "nonsense"),
        ("Tuesday", "Tuesday"),
        ("", ""),
    ],
)
def test_seconds(given: str, kept: str) -> None:
    tree = {"metadata": {"name": "web", "creationTimestamp": given}}
    assert canonical_times(tree, Service) == {"metadata": {"name": "web", "creationTimestamp": kept}}
    assert tree["metadata"]["creationTimestamp"] == given, "the given tree was changed"


def test_microseconds() -> None:
    tree = {"spec": {"renewTime": "2026-01-02T03:04:05.678901+00:00", "acquireTime": "2026-01-02T03:04:05Z"}}
    kept = {"renewTime": "2026-01-02T03:04:05.678901Z", "acquireTime": "2026-01-02T03:04:05.000000Z"}
    assert canonical_times(tree, Lease) == {"spec": kept}


def test_in_lists() -> None:
    beat = {"type": "Ready", "lastHeartbeatTime": "2026-01-02T03:04:05+00:00"}
    tree: dict[str, Any] = {"status": {"conditions": [{"type": "DiskPressure"}, beat, "no condition"]}}
    conditions = canonical_times(tree, Node)["status"]["conditions"]
    assert conditions == [{"type": "DiskPressure"}, {**beat, "lastHeartbeatTime": "2026-01-02T03:04:05Z"}, "no condition"]


def test_what_is_right_is_given_back_as_it_is() -> None:
    tree = {"metadata": {"creationTimestamp": "2026-01-02T03:04:05Z", "managedFields": [{"time": "2026-01-02T03:04:05Z"}]}}
    assert canonical_times(tree, Service) is tree


def test_only_types_with_times_are_walked() -> None:
    assert list(times_of(EndpointSlice).structs) == ["metadata"]
    assert not times_of(EndpointSlice).lists
    assert set(times_of(Event).fields) >= {"firstTimestamp", "lastTimestamp", "eventTime"}
