"""`core/v1` Endpoints, the older picture of a Service's backends, and the annotations and labels of its controllers.

Deprecated upstream since 1.33 in favour of EndpointSlices, and still read and written by many clients.
"""

from __future__ import annotations

from moorage.model.meta import Object, ObjectReference
from moorage.model.wire import ApiType

ENDPOINTS_MANAGED_BY_LABEL = "endpoints.kubernetes.io/managed-by"
SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror"
OVER_CAPACITY_ANNOTATION = "endpoints.kubernetes.io/over-capacity"
LAST_CHANGE_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
"""Endpoints that carry it are a lock of old leader elections and no backends."""

MAX_ADDRESSES = 1000
"""What one Endpoints object holds of addresses at most when the controller writes it, and one mirrored subset."""


class EndpointAddress(ApiType, frozen=True):
    ip: str = ""
    hostname: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class SubsetPort(ApiType, frozen=True):
    """`core/v1` EndpointPort: unlike the port of a slice, its number is required."""

    name: str = ""
    port: int = 0
    protocol: str = ""
    app_protocol: str | None = None


class EndpointSubset(ApiType, frozen=True):
    """Every address offers every port."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[SubsetPort, ...] = ()


class Endpoints(Object, frozen=True):
    """Its Service has the same name."""

    subsets: tuple[EndpointSubset, ...] = ()
