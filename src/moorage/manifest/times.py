"""Times in a tree, however a client writes them -> as the API keeps them: in UTC with a Z, so that equal times are equal texts.

The official Python client sends `2026-01-01T00:00:00+00:00`. `metav1.Time` keeps seconds, `metav1.MicroTime` microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from moorage.model.clock import micro_timestamp, parse_timestamp, timestamp
from moorage.model.wire import Tree

_MICRO = frozenset({"acquireTime", "renewTime", "eventTime", "lastObservedTime"})
"""Fields of type `metav1.MicroTime`: Lease, and Events of both groups."""


class Times(msgspec.Struct, frozen=True):
    """Where a type has times: fields, structs that have some, and lists of such structs."""

    fields: Mapping[str, Callable[[float], str]] = {}
    structs: Mapping[str, Times] = {}
    lists: Mapping[str, Times] = {}

    def __bool__(self) -> bool:
        return bool(self.fields or self.structs or self.lists)


def canonical_times(tree: Tree, type_: type[msgspec.Struct]) -> Tree:
    """The same tree where there is nothing to change; the given one is never changed. What is no time stays as it is."""
    return _canonical(tree, times_of(type_))


@cache
def times_of(type_: type[msgspec.Struct]) -> Times:
    """A field is a time if it is a text and its name says so (`creationTimestamp`, `renewTime`, `time`)."""
    fields: dict[str, Callable[[float], str]] = {}
    structs: dict[str, Times] = {}
    lists: dict[str, Times] = {}
    for field in msgspec.structs.fields(type_):
        name, info = field.encode_name, inspect.type_info(field.type)
        for option in info.types if isinstance(info, inspect.UnionType) else (info,):
            if isinstance(option, inspect.StrType) and name.endswith(("Time", "Timestamp", "time")):
                fields[name] = micro_timestamp if name in _MICRO else timestamp
            elif isinstance(option, inspect.StructType) and (inner := times_of(option.cls)):
                structs[name] = inner
            elif isinstance(option, inspect.VarTupleType) and isinstance(option.item_type, inspect.StructType):
                lists[name] = times_of(option.item_type.cls)
    return Times(fields, structs, {name: inner for name, inner in lists.items() if inner})


def _canonical(tree: Tree, times: Times) -> Tree:
    changes: dict[str, Any] = {}
    for name, write in times.fields.items():
        value = tree.get(name)
        if isinstance(value, str) and (text := _written(value, write)) != value:
            changes[name] = text
    for name, inner in times.structs.items():
        value = tree.get(name)
        if isinstance(value, dict) and (new := _canonical(value, inner)) is not value:
            changes[name] = new
    for name, inner in times.lists.items():
        value = tree.get(name)
        if isinstance(value, list):
            items = [_canonical(each, inner) if isinstance(each, dict) else each for each in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                changes[name] = items
    return {**tree, **changes} if changes else tree


def _written(value: str, write: Callable[[float], str]) -> str:
    if "T" not in value:
        return value  # durations have such names too: `holdTime: 90s`
    try:
        return write(parse_timestamp(value))
    except (ValueError, OverflowError):
        return value
