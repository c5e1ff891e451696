"""Objects -> Kubernetes' protobuf, as Go writes it: what is no pointer is written also when it is empty."""

from __future__ import annotations

import typing
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.model.clock import parse_timestamp
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Object
from moorage.model.protobuf import MAGIC
from moorage.model.protobuf_numbers import BASE64, EMBEDDED, NUMBERS
from moorage.model.wire import ApiType, without_none

MOMENT = "2026-01-02T03:04:05Z"


def field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def enveloped(raw: bytes, api_version: str = "v1", kind: str = "Service") -> bytes:
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def event(type_: str, obj: Object) -> bytes:
    """A frame of a watch, with its length before it."""
    kind = BY_TYPE[type(obj)]
    return framed(type_, enveloped(message(obj), kind.api_version, kind.kind))


def framed(type_: str, obj: bytes) -> bytes:
    frame = field(1, type_) + field(2, field(1, obj))
    return len(frame).to_bytes(4, "big") + frame


def message(obj: ApiType) -> bytes:
    type_ = type(obj)
    attributes = {each.encode_name: each.name for each in msgspec.structs.fields(type_)}
    hints = typing.get_type_hints(type_)

    def written(numbers: Mapping[int, str]) -> bytes:
        return b"".join(
            _field(number, getattr(obj, attributes[name]), hints[attributes[name]], (type_, name) in BASE64, is_time(name))
            for number, name in numbers.items()
        )

    embedded = b"".join(field(number, written(inner)) for number, inner in EMBEDDED.get(type_, {}).items())
    return written(NUMBERS[type_]) + embedded


def is_time(name: str) -> bool:
    return name == "time" or name.endswith(("Timestamp", "Time"))


def _field(number: int, value: Any, hint: Any, is_base64: bool, is_moment: bool) -> bytes:
    if value is None:
        return b""
    if is_moment:
        seconds = parse_timestamp(value)
        return field(number, field(1, int(seconds)) + field(2, round(seconds % 1 * 1e9)))
    if set(without_none(hint)) == {int, str}:
        return field(number, field(1, 0) + field(2, value) if isinstance(value, int) else field(1, 1) + field(3, value))
    if isinstance(value, tuple):
        return b"".join(field(number, _value(each)) for each in value)
    if isinstance(value, dict):
        pairs = ((key, b64decode(each) if is_base64 else each) for key, each in value.items())
        return b"".join(field(number, field(1, key) + field(2, each)) for key, each in pairs)
    return field(number, _value(value))


def _value(value: Any) -> bytes | int | str:
    if isinstance(value, ApiType):
        return message(value)
    if isinstance(value, msgspec.Raw):
        return field(1, bytes(value))
    assert isinstance(value, bytes | int | str)
    return value
