"""What a reader of the API holds: an immutable picture of some kinds, and what changed since the last one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar, cast

import msgspec

from moorage.model.meta import Key, Object

T = TypeVar("T", bound=Object)

_NOTHING: Mapping[Key, Object] = MappingProxyType({})


class Snapshot(msgspec.Struct, frozen=True):
    """Objects by type and key. Never mutated: `with_objects` gives a new one that shares what did not change.

    `versions` are, by type, the resourceVersion up to which a mirror had heard of it: that of a list, or of the last event.
    Those of one type may be compared as numbers (KEP-5504).
    """

    by_type: Mapping[type[Object], Mapping[Key, Object]] = {}
    versions: Mapping[type[Object], str] = {}

    def all(self, type_: type[T]) -> Mapping[Key, T]:
        return cast("Mapping[Key, T]", self.by_type.get(type_, _NOTHING))

    def get(self, type_: type[T], key: Key) -> T | None:
        return self.all(type_).get(key)

    def with_objects(self, type_: type[Object], objects: Mapping[Key, Object], version: str = "") -> Snapshot:
        versions = {**self.versions, type_: version} if version else self.versions
        return Snapshot({**self.by_type, type_: objects}, versions)

    @classmethod
    def of(cls, objects: Iterable[Object]) -> Snapshot:
        by_type: dict[type[Object], dict[Key, Object]] = {}
        for each in objects:
            by_type.setdefault(type(each), {})[each.key] = each
        return cls({**by_type})


class Changes(msgspec.Struct, frozen=True):
    """Keys that were added, modified or deleted, by type. `everything` means: start over (after a first list or a relist)."""

    keys: Mapping[type[Object], frozenset[Key]] = {}
    everything: bool = False

    def of(self, type_: type[Object]) -> frozenset[Key]:
        return self.keys.get(type_, frozenset())

    def __bool__(self) -> bool:
        return self.everything or any(self.keys.values())

    def merged(self, other: Changes) -> Changes:
        """Both, as one."""
        keys = {type_: self.of(type_) | other.of(type_) for type_ in {*self.keys, *other.keys}}
        return Changes(keys, self.everything or other.everything)
