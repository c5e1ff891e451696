"""How large an object is in the protobuf encoding that Go clients ask for: computed from its JSON, without field numbers.

Source: the encoding guide of protobuf; `k8s.io/apimachinery` `runtime.Unknown`, which wraps each object. Field numbers below 16
take one byte with their type, and Kubernetes' types have few beyond. Fields at their default are left out: gogo writes those
that are no pointers, two bytes each, so the truth is a few percent more.
"""

from __future__ import annotations

from typing import Any

import msgspec

_ENVELOPE = 30
"""The magic number, the kind and version in `runtime.Unknown`, and the type and frame of a watch event."""

_MAPS = frozenset({"labels", "annotations", "selector", "capacity", "allocatable"})
"""Whose names are data; those of a message are known to both sides."""


def protobuf_size(body: bytes) -> int:
    """Bytes of a watch event with the object that this JSON is."""
    tree = msgspec.json.decode(body)
    return _ENVELOPE + _message({name: value for name, value in tree.items() if name not in ("kind", "apiVersion")})


def _message(tree: dict[str, Any]) -> int:
    return sum(_field(name, value) for name, value in tree.items())


def _field(name: str, value: Any) -> int:
    if isinstance(value, bool):
        return 2
    if isinstance(value, int):
        return 1 + _varint(value)
    if isinstance(value, str):
        return _delimited(_text(value))
    if isinstance(value, list):
        return sum(_field(name, each) for each in value)
    if isinstance(value, dict):
        if name in _MAPS:
            return sum(_delimited(_delimited(len(key)) + _delimited(len(str(each)))) for key, each in value.items())
        # The sets of `managedFields` stay JSON, as bytes.
        inner = _delimited(len(msgspec.json.encode(value))) if name == "fieldsV1" else _message(value)
        return _delimited(inner)
    return 0


def _text(value: str) -> int:
    """A time is a message with a number of seconds."""
    is_time = len(value) >= 20 and value[4:5] == "-" and value[10:11] == "T" and value.endswith("Z")
    return 6 if is_time else len(value.encode())


def _delimited(size: int) -> int:
    return 1 + _varint(size) + size


def _varint(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))
