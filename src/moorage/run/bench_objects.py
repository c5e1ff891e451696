"""What `moorage bench api` writes: the n-th Service and its EndpointSlice of 50 endpoints, as JSON a controller would send."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.client.routes import collection_path
from moorage.manifest.convert import encode
from moorage.model.kinds import ENDPOINT_SLICES, SERVICES
from moorage.model.meta import ObjectMeta, ObjectReference
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.model.slices import (
    MANAGED_BY_LABEL,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)

NAMESPACE = "bench"
ENDPOINTS = 50

_READY = EndpointConditions(ready=True, serving=True, terminating=False)


class Written(msgspec.Struct, frozen=True):
    """One create: where it is posted, and the object's JSON."""

    path: str
    body: bytes


def pairs(count: int) -> Iterator[Written]:
    """`count` objects: a Service, then its slice, and so on."""
    for number in range(count):
        yield slice_of(number // 2) if number % 2 else service(f"web-{number // 2}")


def service(name: str) -> Written:
    spec = ServiceSpec(selector={"app": name}, ports=(ServicePort(name="http", port=80, target_port=8080),))
    meta = ObjectMeta(name=name, namespace=NAMESPACE, labels={"app": name})
    obj = Service(api_version="v1", kind="Service", metadata=meta, spec=spec)
    return Written(collection_path(SERVICES, NAMESPACE), encode(obj))


def slice_of(number: int) -> Written:
    name = f"web-{number}"
    labels = {SERVICE_NAME_LABEL: name, MANAGED_BY_LABEL: "bench.moorage.dev"}
    obj = EndpointSlice(
        api_version=ENDPOINT_SLICES.api_version,
        kind=ENDPOINT_SLICES.kind,
        metadata=ObjectMeta(name=f"{name}-abcde", namespace=NAMESPACE, labels=labels),
        address_type="IPv4",
        endpoints=tuple(_endpoint(number, each) for each in range(ENDPOINTS)),
        ports=(EndpointPort(name="http", protocol="TCP", port=8080),),
    )
    return Written(collection_path(ENDPOINT_SLICES, NAMESPACE), encode(obj))


def _endpoint(number: int, each: int) -> Endpoint:
    """Addresses of 10.128.0.0/9, each used once by up to 160,000 slices."""
    value = (number * ENDPOINTS + each) % (1 << 23)
    address = f"10.{128 + (value >> 16)}.{value >> 8 & 255}.{value & 255}"
    target = ObjectReference(
        kind="Pod", namespace=NAMESPACE, name=f"web-{number}-{each}", uid=f"00000000-0000-4000-8000-{value:012x}"
    )
    return Endpoint(
        addresses=(address,), conditions=_READY, target_ref=target, node_name=f"node-{each % 10}", zone=f"zone-{each % 3}"
    )
