"""`discovery.k8s.io/v1` EndpointSlice (KEP-752) and the labels that tie a slice to its Service."""

from __future__ import annotations

import msgspec

from moorage.model.meta import Object, ObjectReference
from moorage.model.wire import ApiType

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"

MAX_ENDPOINTS_PER_SLICE = 100
"""What the upstream controller fills a slice to; the API itself allows 1,000."""


class EndpointPort(ApiType, frozen=True):
    """`name` is always written, also when it is empty: upstream's defaulting does so, and `kubectl describe` relies on it."""

    name: str = msgspec.field(default_factory=str)
    protocol: str = ""
    port: int | None = None
    app_protocol: str | None = None


class EndpointConditions(ApiType, frozen=True):
    """None means unknown; consumers read an unknown `ready` as true (upstream API comment)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(ApiType, frozen=True):
    name: str = ""


class ForNode(ApiType, frozen=True):
    name: str = ""


class EndpointHints(ApiType, frozen=True):
    for_zones: tuple[ForZone, ...] = ()
    for_nodes: tuple[ForNode, ...] = ()


class Endpoint(ApiType, frozen=True):
    """One backend. Only the first of `addresses` is used, as the API defines since 1.34."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    deprecated_topology: dict[str, str] = {}
    node_name: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None

    @property
    def ready(self) -> bool:
        return self.conditions.ready is not False


class EndpointSlice(Object, frozen=True):
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service_name(self) -> str:
        """The Service this slice belongs to, or an empty string."""
        return self.metadata.labels.get(SERVICE_NAME_LABEL, "")
