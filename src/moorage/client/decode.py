"""Bytes of an API server's answers -> typed objects.

The fast path decodes straight into the types. Go writes `null` for an empty list or map without `omitempty`
(`EndpointSlice.endpoints` is one), which the types do not have: what fails on the fast path is decoded once more without nulls.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from moorage.model.errors import ApiError, HostError
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import ManagedFieldsEntry, Object
from moorage.model.ports import O, WatchEvent
from moorage.model.service import Service
from moorage.model.wire import ApiType

ERROR = "ERROR"
"""The watch event whose object is a Status."""

STATUS = "status"
"""The subresource, in the entry of who has written it."""

T = TypeVar("T")

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""`metav1.StatusReason` of an HTTP code, for answers that are no Status."""


class ListMeta(ApiType, frozen=True):
    """`metav1.ListMeta`. `continue_` is the token of the next page, empty on the last."""

    resource_version: str = ""
    continue_: str = ""


class ListBody(msgspec.Struct, frozen=True):
    """One page of a list: `metadata` and `items` of a `KindList`, each item as its JSON."""

    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct, Generic[T], frozen=True):
    """One line of a watch stream (`metav1.WatchEvent`)."""

    type: str
    object: T


class _Status(ApiType, frozen=True):
    """`metav1.Status`."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: dict[str, Any] | None = None


class _Version(ApiType, frozen=True):
    """`version.Info`."""

    major: str = ""
    minor: str = ""


PAGES_FROM_CACHE = (1, 34)
"""The Kubernetes version since which pages of lists come from the server's memory (KEP-4988, ListFromCacheSnapshot)."""


def caches_pages(body: bytes) -> bool:
    """Whether the server that answers `/version` so keeps pages in memory. What cannot be read is taken for an old one."""
    try:
        version = msgspec.json.decode(body, type=_Version)
        return (int(version.major), int(version.minor.rstrip("+"))) >= PAGES_FROM_CACHE
    except (msgspec.DecodeError, ValueError):
        return False


def without_nulls(tree: Any) -> Any:
    """The same JSON value with every null member left out, at any depth: null and absent mean the same to Kubernetes."""
    if isinstance(tree, dict):
        return {name: without_nulls(value) for name, value in tree.items() if value is not None}
    if isinstance(tree, list):
        return [without_nulls(value) for value in tree if value is not None]
    return tree


def decode_object(body: bytes | msgspec.Raw, type_: type[O]) -> O:
    """One object. Raises HostError where the body is none of that kind."""
    try:
        obj: O = _decoder(type_).decode(body)
    except msgspec.DecodeError:
        obj = _lenient(body, type_)
    return named(obj)


def decode_list(body: bytes) -> ListBody:
    """One page of a list, its items left to `decode_object`: what comes next is known before the work on them, which takes
    five times as long. Raises HostError where the body is no list.
    """
    found: ListBody = _lenient(body, ListBody)
    return found


def decode_event(line: bytes, type_: type[Object]) -> WatchEvent:
    """One line of a watch. Raises the ApiError that an ERROR event carries, HostError where the line is no event."""
    try:
        event = _event_decoder(type_).decode(line)
        if event.type != ERROR:
            return WatchEvent(event.type, named(event.object))
    except msgspec.DecodeError:
        pass  # an ERROR, whose object is a Status, or an object with nulls
    raw = _lenient(line, _Line[msgspec.Raw])
    if raw.type == ERROR:
        raise error_of(500, raw.object)
    return WatchEvent(raw.type, decode_object(raw.object, type_))


def error_of(code: int, body: bytes | msgspec.Raw, retry_after: str = "") -> ApiError:
    """The refusal in a body: a Status as it is worded, or else (a proxy's page, nothing at all) what the HTTP code says.

    `retry_after` is the header of that name (RFC 9110, 10.2.3): its seconds go to `details.retryAfterSeconds` where the Status
    has none. An API server that is overloaded says it there alone.
    """
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        status = _Status()
    asked = {"retryAfterSeconds": int(retry_after)} if retry_after.isdecimal() and len(retry_after) < 10 else {}
    if status.kind == "Status":
        details = {**asked, **(status.details or {})}
        return ApiError(status.code or code, status.reason or _REASONS.get(code, "Unknown"), status.message, details)
    text = bytes(body)[:200].decode(errors="replace").strip()
    return ApiError(code, _REASONS.get(code, "Unknown"), f"the server answered {code}" + (f": {text}" if text else ""), asked)


@cache
def _decoder(type_: Any) -> Any:
    return msgspec.json.Decoder(type_)


@cache
def _event_decoder(type_: Any) -> Any:
    return msgspec.json.Decoder(_Line[type_])


def _lenient(body: bytes | msgspec.Raw, type_: Any) -> Any:
    """Decodes what has nulls where the type has none. Raises HostError with the path of what does not fit."""
    try:
        if type_ in BY_TYPE:
            return msgspec.json.decode(msgspec.json.encode(without_nulls(msgspec.json.decode(body))), type=type_)
        return msgspec.json.decode(body, type=type_)
    except msgspec.DecodeError as error:
        name = BY_TYPE[type_].kind if type_ in BY_TYPE else "list or watch event"
        raise HostError(f"the API server sent something that is no {name}: {error}") from error


def named(obj: O) -> O:
    """Items of a list carry neither kind nor apiVersion: they get those of their type. Of the owners of fields only those of a
    Service's status are kept: nobody here asks for others, and their raw JSON would hold the whole body in memory.
    """
    if obj.metadata.managed_fields is not None:
        obj = replace(obj, metadata=replace(obj.metadata, managed_fields=_owners(obj)))
    if obj.kind:
        return obj
    kind = BY_TYPE[type(obj)]
    return replace(obj, api_version=kind.api_version, kind=kind.kind)


def _owners(obj: Object) -> tuple[ManagedFieldsEntry, ...] | None:
    """Who writes the status of a Service, in memory of their own: two load balancers may fight over it."""
    if not isinstance(obj, Service):
        return None
    entries = (each for each in obj.metadata.managed_fields or () if each.subresource == STATUS)
    return tuple(replace(each, fields_v1=each.fields_v1.copy()) for each in entries) or None
