"""Kubernetes' protobuf encoding of an object -> the same tree that its JSON would give. Only read, never written.

Typed clients of client-go write so by themselves (`gentype`, "prefers protobuf"), kubectl's `create` too. They take JSON for
an answer. The envelope is `k8s\\0` and a `runtime.Unknown`. Fields without a number in `protobuf_numbers` are skipped:
managedFields, which a write that leaves them out keeps.
"""

from __future__ import annotations

import typing
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moorage.api.protobuf_numbers import BASE64, EMBEDDED, NUMBERS
from moorage.api.shapes import Field, shape, without_none
from moorage.model.clock import micro_timestamp, timestamp
from moorage.model.errors import bad_request
from moorage.model.wire import ApiType, Tree

MAGIC = b"k8s\0"

_TIMES: Mapping[str, Callable[[float], str]] = {
    **dict.fromkeys(
        ("creationTimestamp", "deletionTimestamp", "firstTimestamp", "lastTimestamp", "lastTransitionTime"), timestamp
    ),
    **dict.fromkeys(("deprecatedFirstTimestamp", "deprecatedLastTimestamp"), timestamp),
    **dict.fromkeys(("acquireTime", "renewTime", "eventTime", "lastObservedTime"), micro_timestamp),
}
"""Fields that are strings in JSON and a message of seconds and nanoseconds here."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


class _Malformed(Exception):
    """The bytes are no protobuf, or not of this type."""


def is_readable(type_: type[ApiType]) -> bool:
    """Whether objects of this type can be read from protobuf."""
    return type_ in NUMBERS


def read_protobuf(data: bytes, type_: type[ApiType]) -> Tree:
    """Raises ApiError 400 where the bytes are no object in this encoding."""
    if not data.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(data[len(MAGIC) :]))
        names = dict(_fields(_as_bytes(envelope.get(1, b""))))
        tree = _message(_as_bytes(envelope.get(2, b"")), type_)
        for number, name in ((1, "apiVersion"), (2, "kind")):
            if number in names:
                tree[name] = _as_bytes(names[number]).decode()
    except (_Malformed, UnicodeDecodeError) as error:
        raise bad_request(f"protobuf cannot be decoded: {error}") from error
    return tree


def _message(data: bytes, type_: type[ApiType]) -> Tree:
    names, fields = NUMBERS[type_], shape(type_)
    tree: Tree = {}
    embedded = EMBEDDED.get(type_, {})
    for number, raw in _fields(data):
        if number in names:
            _set(tree, fields[names[number]], raw, (type_, names[number]) in BASE64)
        elif number in embedded:
            for inner, value in _fields(_as_bytes(raw)):
                if inner in embedded[number]:
                    _set(tree, fields[embedded[number][inner]], value)
    return tree


def _set(tree: Tree, field: Field, raw: int | bytes, is_base64: bool = False) -> None:
    alternatives = without_none(field.hint)
    hint = alternatives[0]
    if typing.get_origin(hint) is tuple:
        tree.setdefault(field.name, []).append(_value(field, typing.get_args(hint)[0], raw))
    elif typing.get_origin(hint) is dict:
        entry = dict(_fields(_as_bytes(raw)))
        key, value = _as_bytes(entry.get(1, b"")), _as_bytes(entry.get(2, b""))
        tree.setdefault(field.name, {})[key.decode()] = (b64encode(value) if is_base64 else value).decode()
    elif set(alternatives) == {int, str}:
        tree[field.name] = _int_or_string(_as_bytes(raw))
    elif field.name in _TIMES:
        parts = dict(_fields(_as_bytes(raw)))
        if seconds := parts.get(1):
            tree[field.name] = _TIMES[field.name](_signed(seconds) + _signed(parts.get(2, 0)) / 1e9)
    else:
        tree[field.name] = _value(field, hint, raw)


def _value(field: Field, hint: Any, raw: int | bytes) -> Any:
    if field.type is not None:
        return _message(_as_bytes(raw), field.type)
    if hint is str:
        return _as_bytes(raw).decode()
    return bool(_signed(raw)) if hint is bool else _signed(raw)


def _int_or_string(data: bytes) -> int | str:
    """`util/intstr`: type 0 is a number in field 2, type 1 a string in field 3."""
    fields = dict(_fields(data))
    return _as_bytes(fields.get(3, b"")).decode() if fields.get(1) else _signed(fields.get(2, 0))


def _as_bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise _Malformed("a number where bytes are expected")
    return raw


def _signed(raw: int | bytes) -> int:
    """Varints of negative numbers are 64-bit two's complement."""
    if not isinstance(raw, int):
        raise _Malformed("bytes where a number is expected")
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values: numbers for varints, bytes for all that has a length. Fixed-width values are skipped."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            size, position = _varint(data, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise _Malformed(f"wire type {wire_type}")
        if size > len(data) - position:
            raise _Malformed("unexpected EOF")
        if wire_type == _BYTES:
            yield number, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number and the position behind it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            raise _Malformed("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
    raise _Malformed("integer overflow")
