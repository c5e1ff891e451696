"""Who owns whom, by uid: the graph that garbage collection walks, kept in step with the objects.

Source of the idea: `pkg/controller/garbagecollector/graph_builder.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from moorage.model.garbage import FOREGROUND_FINALIZER
from moorage.model.meta import Key, Object, OwnerReference
from moorage.model.snapshot import Changes, Snapshot

REMEMBERED = 20_000
"""Uids of objects that were seen and are gone; the oldest are forgotten first, and asked for again where they matter."""


class Thing(msgspec.Struct, frozen=True):
    """One object as the graph knows it. `goes_last`: it waits for its dependents (foreground deletion)."""

    type: type[Object]
    key: Key
    uid: str
    owners: tuple[OwnerReference, ...] = ()
    goes_last: bool = False


def thing(obj: Object) -> Thing:
    meta = obj.metadata
    goes_last = meta.deletion_timestamp is not None and FOREGROUND_FINALIZER in meta.finalizers
    return Thing(type(obj), obj.key, meta.uid, meta.owner_references, goes_last)


class Ownership:
    """`types` are the kinds that take part."""

    def __init__(self, types: Sequence[type[Object]]) -> None:
        self._types = types
        self._things: dict[str, Thing] = {}
        self._by_key: dict[tuple[type[Object], Key], str] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        self._gone: dict[str, None] = {}

    def find(self, uid: str) -> Thing | None:
        return self._things.get(uid)

    def is_gone(self, uid: str) -> bool:
        """Whether an object was seen that is no more. A uid never comes back."""
        return uid in self._gone

    def dependents(self, uid: str) -> Iterable[Thing]:
        """What names that uid as an owner, whether or not there is such an owner."""
        return [self._things[each] for each in self._dependents.get(uid, ())]

    def update(self, snapshot: Snapshot, changes: Changes) -> Collection[str]:
        """Follows the changes. Returns the uids to look at, oldest reason first."""
        due: dict[str, None] = {}
        for type_ in self._types:
            keys = changes.of(type_)
            if changes.everything:
                keys = frozenset(snapshot.all(type_)) | {key for known, key in self._by_key if known is type_}
            for key in keys:
                self._see(type_, key, snapshot.get(type_, key), due)
        while len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
        return due

    def _see(self, type_: type[Object], key: Key, obj: Object | None, due: dict[str, None]) -> None:
        """Those are due that changed, that may have become ownerless, and that waited for what changed."""
        old = self._things.get(self._by_key.get((type_, key), ""))
        new = thing(obj) if obj is not None else None
        if old is not None and (new is None or new.uid != old.uid):
            self._forget(old)
            due.update(self._dependents.get(old.uid, {}))
            due.update(dict.fromkeys(each.uid for each in old.owners))
            old = None
        if new is None:
            return
        if old is None or old.owners != new.owners:
            self._relate(old, new)
            due.update(dict.fromkeys(each.uid for each in (old.owners if old else ())))
        if old is None or old.goes_last != new.goes_last:
            due.update(self._dependents.get(new.uid, {}))
        self._things[new.uid] = new
        self._by_key[type_, key] = new.uid
        due[new.uid] = None

    def _relate(self, old: Thing | None, new: Thing) -> None:
        for owner in old.owners if old else ():
            self._unrelate(owner.uid, new.uid)
        for owner in new.owners:
            self._dependents.setdefault(owner.uid, {})[new.uid] = None

    def _unrelate(self, owner: str, dependent: str) -> None:
        others = self._dependents.get(owner, {})
        others.pop(dependent, None)
        if not others:
            self._dependents.pop(owner, None)

    def _forget(self, old: Thing) -> None:
        for owner in old.owners:
            self._unrelate(owner.uid, old.uid)
        del self._things[old.uid]
        del self._by_key[old.type, old.key]
        self._gone[old.uid] = None
