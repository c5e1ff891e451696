"""Kubernetes' protobuf encoding of an object -> the type that its JSON would be read into. Only read, never written.

Fields without a number are skipped, and those that are absent have their default. Source: the encoding guide of protobuf;
`generated.proto` of Kubernetes 1.36; `runtime.Unknown` of apimachinery, the envelope of an object behind `k8s\\0`.
"""

from __future__ import annotations

import typing
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from moorage.model.clock import micro_timestamp, timestamp
from moorage.model.protobuf_numbers import BASE64, EMBEDDED
from moorage.model.wire import ApiType, without_none

PROTOBUF = "application/vnd.kubernetes.protobuf"
"""The media type."""
MAGIC = b"k8s\0"

T = TypeVar("T", bound=ApiType)

Read = Callable[[Any], Any]
"""The raw value of a field, a number or bytes -> what the type has. Raises ValueError where it makes no sense."""

_TIMES: Mapping[str, Callable[[float], str]] = {
    **dict.fromkeys(
        ("creationTimestamp", "deletionTimestamp", "firstTimestamp", "lastTimestamp", "lastTransitionTime", "time"), timestamp
    ),
    **dict.fromkeys(("deprecatedFirstTimestamp", "deprecatedLastTimestamp"), timestamp),
    **dict.fromkeys(("acquireTime", "renewTime", "eventTime", "lastObservedTime"), micro_timestamp),
}
"""Fields that are strings in JSON and a message of seconds and nanoseconds here."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_ONE, _LIST, _MAP, _INLINE = range(4)


REMEMBERED = 4096
"""Parts of one type, some 500 bytes each."""


class Malformed(ValueError):
    """The bytes are no protobuf, or not of this type."""


class _Field(NamedTuple):
    """`name` is the attribute; `many` says what becomes of a field that comes several times."""

    name: str
    wire_type: int
    read: Read
    many: int = _ONE


class Envelope(NamedTuple):
    """What is around an object: what it calls itself, and its bytes."""

    api_version: str
    kind: str
    raw: bytes


def opened(data: bytes) -> Envelope:
    """Raises Malformed where the bytes are no object in this encoding."""
    if not data.startswith(MAGIC):
        raise Malformed("no object: it does not begin with k8s and a zero")
    found = _message(data[len(MAGIC) :], _UNKNOWN)
    names = found.get("names", {})
    return Envelope(names.get("api_version", ""), names.get("kind", ""), found.get("raw", b""))


class Encoding:
    """The messages whose field numbers are given. What it reads a type by is made once. Parts of the types in `recurring` are
    remembered by their bytes: most of an object is as it was at the last event.
    """

    def __init__(
        self, numbers: Mapping[type[ApiType], Mapping[int, str]], recurring: frozenset[type[ApiType]] = frozenset()
    ) -> None:
        self._numbers = numbers
        self._recurring = recurring
        self._readers: dict[type[ApiType], Callable[[bytes], Any]] = {}

    def knows(self, type_: type[ApiType]) -> bool:
        return type_ in self._numbers

    def read(self, data: bytes, type_: type[T]) -> T:
        """A message without an envelope. Raises ValueError where the bytes are none, or not of this type."""
        found: T = self._reader(type_)(data)
        return found

    def _reader(self, type_: type[ApiType]) -> Callable[[bytes], Any]:
        made = self._readers.get(type_)
        if made is None:
            plan = self._plan(type_)
            made = self._readers[type_] = _remembered(type_, plan) if type_ in self._recurring else _made(type_, plan)
        return made

    def _plan(self, type_: type[ApiType]) -> Mapping[int, _Field]:
        hints = typing.get_type_hints(type_)
        attributes = {each.encode_name: each.name for each in msgspec.structs.fields(type_)}

        def fields(numbers: Mapping[int, str]) -> dict[int, _Field]:
            return {
                number: self._field(type_, name, attributes[name], hints[attributes[name]]) for number, name in numbers.items()
            }

        embedded = {
            number: _Field("", _BYTES, _inner(fields(inner)), _INLINE) for number, inner in EMBEDDED.get(type_, {}).items()
        }
        return fields(self._numbers[type_]) | embedded

    def _field(self, type_: type[ApiType], name: str, attribute: str, hint: Any) -> _Field:
        alternatives = without_none(hint)
        first = alternatives[0]
        if name in _TIMES:
            return _Field(attribute, _BYTES, _time(_TIMES[name]))
        if set(alternatives) == {int, str}:
            return _Field(attribute, _BYTES, _int_or_string)
        if typing.get_origin(first) is tuple:
            return _Field(attribute, *self._value(typing.get_args(first)[0]), _LIST)
        if typing.get_origin(first) is dict:
            return _Field(attribute, _BYTES, _encoded_entry if (type_, name) in BASE64 else _entry, _MAP)
        return _Field(attribute, *self._value(first))

    def _value(self, hint: Any) -> tuple[int, Read]:
        return _PLAIN[hint] if hint in _PLAIN else (_BYTES, self._reader(hint))


def _made(type_: type[ApiType], plan: Mapping[int, _Field]) -> Callable[[bytes], Any]:
    return lambda data: type_(**_message(data, plan))


def _remembered(type_: type[ApiType], plan: Mapping[int, _Field]) -> Callable[[bytes], Any]:
    return lru_cache(REMEMBERED)(_made(type_, plan))


def _message(data: bytes, plan: Mapping[int, _Field]) -> dict[str, Any]:
    """The fields that are there, by attribute. One loop without calls for what is short: it runs for every endpoint."""
    found: dict[str, Any] = {}
    lists: list[str] = []
    position, end = 0, len(data)
    while position < end:
        tag = data[position]
        position += 1
        if tag > 0x7F:
            tag, position = _varint(data, position - 1)
        wire_type = tag & 7
        value: int | bytes = 0
        if wire_type == _VARINT:
            value, position = _varint(data, position)
        else:
            size, position = _varint(data, position) if wire_type == _BYTES else (_fixed(wire_type), position)
            if size > end - position:
                raise Malformed("unexpected EOF")
            value = data[position : position + size]
            position += size
        field = plan.get(tag >> 3)
        if field is None:
            continue
        name, expected, read, many = field
        if wire_type != expected:
            raise Malformed(f"field {tag >> 3} has wire type {wire_type} in place of {expected}")
        if many == _ONE:
            found[name] = read(value)
        elif many == _LIST:
            if name not in found:
                lists.append(name)
            found.setdefault(name, []).append(read(value))
        elif many == _MAP:
            found.setdefault(name, {}).update((read(value),))
        else:
            found |= read(value)
    for name in lists:
        found[name] = tuple(found[name])
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number and the position behind it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            raise Malformed("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
    raise Malformed("integer overflow")


def _fixed(wire_type: int) -> int:
    if wire_type not in _FIXED:
        raise Malformed(f"wire type {wire_type}")
    return _FIXED[wire_type]


def _signed(raw: int) -> int:
    """Varints of negative numbers are 64-bit two's complement."""
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _inner(plan: Mapping[int, _Field]) -> Read:
    return lambda data: _message(data, plan)


def _time(written: Callable[[float], str]) -> Read:
    """`metav1.Time` and `MicroTime`. One that is not set is empty."""

    def read(data: bytes) -> str | None:
        parts = _message(data, _SECONDS)
        try:
            return written(parts["seconds"] + parts.get("nanos", 0) / 1e9) if parts.get("seconds") else None
        except (OverflowError, OSError) as error:  # so `datetime` says of what is far beyond its years
            raise Malformed(f"no time: {error}") from error

    return read


def _int_or_string(data: bytes) -> int | str:
    """`util/intstr`: type 0 is a number in field 2, type 1 a string in field 3."""
    parts = _message(data, _INT_OR_STRING)
    text: str = parts.get("text", "")
    number: int = parts.get("number", 0)
    return text if parts.get("type") else number


def _entry(data: bytes) -> tuple[str, str]:
    parts = _message(data, _ENTRY)
    return parts.get("key", b"").decode(), parts.get("value", b"").decode()


def _encoded_entry(data: bytes) -> tuple[str, str]:
    parts = _message(data, _ENTRY)
    return parts.get("key", b"").decode(), b64encode(parts.get("value", b"")).decode()


def _raw(data: bytes) -> msgspec.Raw:
    """`metav1.FieldsV1`: JSON in a message."""
    return msgspec.Raw(_message(data, _FIELDS).get("raw", b""))


_SECONDS = {1: _Field("seconds", _VARINT, _signed), 2: _Field("nanos", _VARINT, _signed)}
_INT_OR_STRING = {
    1: _Field("type", _VARINT, _signed),
    2: _Field("number", _VARINT, _signed),
    3: _Field("text", _BYTES, bytes.decode),
}
_ENTRY = {1: _Field("key", _BYTES, bytes), 2: _Field("value", _BYTES, bytes)}
_FIELDS = {1: _Field("raw", _BYTES, bytes)}
_NAMES = {1: _Field("api_version", _BYTES, bytes.decode), 2: _Field("kind", _BYTES, bytes.decode)}
_UNKNOWN = {1: _Field("names", _BYTES, _inner(_NAMES)), 2: _Field("raw", _BYTES, bytes)}

_PLAIN: Mapping[Any, tuple[int, Read]] = {
    str: (_BYTES, bytes.decode),
    bytes: (_BYTES, bytes),
    int: (_VARINT, _signed),
    bool: (_VARINT, bool),
    msgspec.Raw: (_BYTES, _raw),
}
