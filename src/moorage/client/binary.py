"""Frames of a watch in protobuf -> typed events. Half the bytes of JSON, and more work to read: so lists stay JSON.

Source: `metav1.WatchEvent` and `metav1.Status` in `generated.proto`; each object is in an envelope of its own.
"""

from __future__ import annotations

import msgspec

from moorage.client.decode import ERROR, error_of, named
from moorage.model.cluster import Lease, Namespace
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.endpoints import Endpoints
from moorage.model.errors import HostError
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Object
from moorage.model.ports import WatchEvent
from moorage.model.protobuf import Encoding, opened
from moorage.model.protobuf_numbers import NUMBERS
from moorage.model.service import Service
from moorage.model.service_cidrs import IPAddress, ServiceCIDR
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.wire import ApiType


class _Extension(ApiType, frozen=True):
    raw: bytes = b""


class _Frame(ApiType, frozen=True):
    """`metav1.WatchEvent`."""

    type: str = ""
    object: _Extension = _Extension()


class _Cause(ApiType, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(ApiType, frozen=True):
    name: str = ""
    group: str = ""
    kind: str = ""
    causes: tuple[_Cause, ...] = ()
    retry_after_seconds: int = 0
    uid: str = ""


class _Status(ApiType, frozen=True):
    status: str = ""
    message: str = ""
    reason: str = ""
    details: _Details | None = None
    code: int = 0
    kind: str = ""


_ENCODING = Encoding(
    {
        **NUMBERS,
        _Frame: {1: "type", 2: "object"},
        _Extension: {1: "raw"},
        _Status: {2: "status", 3: "message", 4: "reason", 5: "details", 6: "code"},
        _Details: {1: "name", 2: "group", 3: "kind", 4: "causes", 5: "retryAfterSeconds", 6: "uid"},
        _Cause: {1: "reason", 2: "message", 3: "field"},
    },
    recurring=frozenset({Endpoint, EndpointConditions, EndpointPort}),
)


FOLLOWED: frozenset[type[Object]] = frozenset(
    {ConfigMap, Endpoints, EndpointSlice, IPAddress, Lease, Namespace, Secret, Service, ServiceAccount, ServiceCIDR}
)
"""Kinds that may be followed in protobuf: nothing that their types have is lost. Nodes and Pods are carried as plain trees in
part, and kinds that come from a CustomResourceDefinition have no such encoding.
"""


def decode_frame(frame: bytes, type_: type[Object]) -> WatchEvent:
    """Raises the ApiError that an ERROR event carries, and HostError where the frame is no event."""
    try:
        event = _ENCODING.read(frame, _Frame)
        body = opened(event.object.raw).raw
        if event.type != ERROR:
            return WatchEvent(event.type, named(_ENCODING.read(body, type_)))
        status = msgspec.json.encode(msgspec.structs.replace(_ENCODING.read(body, _Status), kind="Status"))
    except ValueError as error:
        raise HostError(f"the API server sent something that is no watch event of {BY_TYPE[type_].plural}: {error}") from error
    raise error_of(500, status)
