"""What a store holds at one revision: objects by kind and key, and who holds what of each pool.

A write is a value, and a state is changed only by `apply` and taken back only by `revert`, one write at a time.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from moorage.model.meta import Key
from moorage.model.ports import DELETED, Record, StoreEvent

EMPTY_REVISION = 1
"""The revision of a store in which nothing was ever written, as etcd has it. 0 means "any" in the Kubernetes API."""

_NOTHING_HELD: Mapping[str, str] = MappingProxyType({})


class Taken(msgspec.Struct, frozen=True):
    """A value of a pool, free until now, got a holder."""

    pool: str
    value: str
    holder: str


class Released(msgspec.Struct, frozen=True):
    """A value of a pool became free; `holder` had it."""

    pool: str
    value: str
    holder: str


Write = StoreEvent | Taken | Released
"""One step from a state to the next. A StoreEvent moves the revision on by one; an allocation has no revision."""


def taken_back(records: Sequence[Record], events: Iterable[StoreEvent], namespace: str) -> Sequence[Record]:
    """What the records of a kind were before `events`, in key order. An empty namespace means all."""
    before: dict[Key, Record | None] = {}
    for event in events:
        before.setdefault(event.record.key, event.previous)
    untouched = [each for each in records if each.key not in before]
    restored = [each for each in before.values() if each is not None and namespace in ("", each.key.namespace)]
    return sorted(untouched + restored, key=lambda each: each.key)


class Table:
    """The records of one kind. The keys are also kept sorted: an insertion moves 8 bytes per later key, which for 10,000
    keys takes microseconds, and a list is a slice. The list of all records is kept until the next write: a client that reads
    it in a hundred pages makes it once.
    """

    def __init__(self) -> None:
        self._records: dict[Key, Record] = {}
        self._keys: list[Key] = []
        self._all: list[Record] | None = None

    def get(self, key: Key) -> Record | None:
        return self._records.get(key)

    def list(self, namespace: str) -> Sequence[Record]:
        keys = self._keys
        if namespace:
            # No name holds a NUL byte, so nothing sorts between a namespace and the same with a NUL appended.
            keys = keys[bisect_left(keys, (namespace, "")) : bisect_left(keys, (namespace + "\0", ""))]
            return [self._records[key] for key in keys]
        if self._all is None:
            self._all = [self._records[key] for key in keys]
        return self._all

    def put(self, record: Record) -> None:
        self._all = None
        if record.key not in self._records:
            insort(self._keys, record.key)
        self._records[record.key] = record

    def discard(self, key: Key) -> None:
        self._all = None
        if self._records.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def copy(self) -> Table:
        twin = Table()
        twin._records = self._records.copy()
        twin._keys = self._keys.copy()
        return twin

    @classmethod
    def of(cls, records: Iterable[Record]) -> Table:
        table = cls()
        table._records = {each.key: each for each in records}
        table._keys = sorted(table._records)
        return table


class State:
    """Objects and allocations at `revision`. Copies share the records: a copy costs pointers, not bodies."""

    def __init__(
        self,
        revision: int = EMPTY_REVISION,
        tables: Mapping[str, Table] = MappingProxyType({}),
        pools: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self.revision = revision
        self._tables = {resource: table.copy() for resource, table in tables.items()}
        self._pools = {pool: dict(held) for pool, held in pools.items()}

    def get(self, resource: str, key: Key) -> Record | None:
        table = self._tables.get(resource)
        return table.get(key) if table else None

    def list(self, resource: str, namespace: str = "") -> Sequence[Record]:
        """In order of (namespace, name); an empty namespace means all."""
        table = self._tables.get(resource)
        return table.list(namespace) if table else ()

    def holder(self, pool: str, value: str) -> str | None:
        return self.held(pool).get(value)

    def held(self, pool: str) -> Mapping[str, str]:
        """Value -> holder: a window on this state, not a copy."""
        held = self._pools.get(pool)
        return MappingProxyType(held) if held else _NOTHING_HELD

    def apply(self, write: Write) -> None:
        match write:
            case StoreEvent(type=type_, record=record):
                table = self._tables.setdefault(record.resource, Table())
                if type_ == DELETED:
                    table.discard(record.key)
                else:
                    table.put(record)
                self.revision = record.revision
            case Taken(pool, value, holder):
                self._pools.setdefault(pool, {})[value] = holder
            case Released(pool, value):
                del self._pools[pool][value]

    def revert(self, write: Write) -> None:
        """Undoes `write`, which must be the last that was applied."""
        match write:
            case StoreEvent(record=record, previous=previous):
                table = self._tables[record.resource]
                if previous is None:
                    table.discard(record.key)
                else:
                    table.put(previous)
                self.revision = record.revision - 1
            case Taken(pool, value):
                del self._pools[pool][value]
            case Released(pool, value, holder):
                self._pools[pool][value] = holder

    def copy(self) -> State:
        return State(self.revision, self._tables, self._pools)
