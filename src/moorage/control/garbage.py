"""Owner references -> deletions: what lost all its owners goes, as upstream's garbage collector decides it.

    Background    the owner is gone: its dependents are deleted
    Foreground    the owner waits (finalizer `foregroundDeletion`) until no dependent that blocks it is left
    Orphan        the owner waits (finalizer `orphan`) until no dependent names it any more

An owner that was never seen may be one that this reader does not know yet: `Collect` asks the API before it deletes.
Source: `pkg/controller/garbagecollector/garbagecollector.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.control.ownership import Ownership, Thing
from moorage.control.types import Plan
from moorage.control.work_queue import WorkQueue
from moorage.model.cluster import Event
from moorage.model.garbage import BACKGROUND, FOREGROUND, FOREGROUND_FINALIZER, ORPHAN, ORPHAN_FINALIZER
from moorage.model.kinds import BY_NAME, STORED
from moorage.model.meta import Key, Object, OwnerReference
from moorage.model.reason import Reason
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Collect, MergePatch, Note, Verb

BATCH = 500
"""Objects looked at in one call."""

COLLECTED: tuple[type[Object], ...] = tuple(kind.type for kind in STORED if kind.type is not Event)
"""Events neither own nor are owned; upstream leaves them out too."""


class _Owners(msgspec.Struct):
    """The references of one object, by what is known of the owner."""

    solid: list[OwnerReference]
    waiting: list[OwnerReference]
    gone: list[OwnerReference]
    unseen: list[OwnerReference]


class GarbageCollector:
    """Looks only at objects that changed, at the dependents of owners that went, and at owners that wait."""

    name = "garbage-collector-controller"
    wants: tuple[type[Object], ...] = COLLECTED

    def __init__(self, batch: int = BATCH) -> None:
        self._ownership = Ownership(COLLECTED)
        self._queue = WorkQueue(batch)
        self._told: set[tuple[str, str]] = set()

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """The queue knows objects by their uid."""
        self._queue.add(Key("", uid) for uid in self._ownership.update(snapshot, changes))
        return self._queue.turn(snapshot, now, lambda key: self._plan(key.name, snapshot))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._queue.failed(verbs)

    def _plan(self, uid: str, snapshot: Snapshot) -> list[Verb]:
        found = self._ownership.find(uid)
        obj = snapshot.get(found.type, found.key) if found else None
        if found is None or obj is None:
            return []
        if obj.metadata.deletion_timestamp is None:
            return self._judged(obj, found) if found.owners else []
        if ORPHAN_FINALIZER in obj.metadata.finalizers:
            return self._orphaned(obj, snapshot)
        if FOREGROUND_FINALIZER in obj.metadata.finalizers:
            return [] if self._is_blocked(uid) else [_without_finalizer(obj, FOREGROUND_FINALIZER)]
        return []

    def _judged(self, obj: Object, found: Thing) -> list[Verb]:
        """An object lives while one of its owners does and is not itself waiting for it to go."""
        owners, notes = self._owners(obj)
        if owners.solid:
            lost = {each.uid for each in (*owners.gone, *owners.waiting)}
            kept = [each for each in found.owners if each.uid not in lost]
            return [*notes, _with_owners(obj, kept)] if lost else notes
        if owners.waiting and self._ownership.dependents(found.uid):
            if any(each.goes_last for each in self._ownership.dependents(found.uid)):
                # a circle of owners that wait for each other: this one stops blocking
                freed = [msgspec.structs.replace(each, block_owner_deletion=False) for each in found.owners]
                if list(found.owners) != freed:
                    return [*notes, _with_owners(obj, freed)]
            return [*notes, _collect(obj, owners.unseen, FOREGROUND)]
        return [*notes, _collect(obj, owners.unseen, _own_policy(obj))]

    def _owners(self, obj: Object) -> tuple[_Owners, list[Verb]]:
        owners = _Owners([], [], [], [])
        notes: list[Verb] = []
        namespace = obj.metadata.namespace
        for each in obj.metadata.owner_references:
            kind = BY_NAME.get((each.api_version, each.kind))
            owner = self._ownership.find(each.uid)
            if kind is None:
                owners.solid.append(each)  # nobody here can tell whether it exists
            elif kind.namespaced and not namespace:
                owners.solid.append(each)  # no owner at all, and no reason to delete: upstream leaves it, too
                notes += self._told_of(obj, each)
            elif owner is not None and owner.key.namespace not in ("", namespace):
                owners.unseen.append(each)
                notes += self._told_of(obj, each)
            elif owner is not None:
                (owners.waiting if owner.goes_last else owners.solid).append(each)
            elif self._ownership.is_gone(each.uid):
                owners.gone.append(each)
            else:
                owners.unseen.append(each)
        return owners, notes

    def _told_of(self, obj: Object, owner: OwnerReference) -> list[Verb]:
        """Says once that a reference cannot hold."""
        about = (obj.metadata.uid, owner.uid)
        if about in self._told:
            return []
        self._told.add(about)
        named = f"[{owner.api_version}/{owner.kind}, namespace: {obj.metadata.namespace}, name: {owner.name}, uid: {owner.uid}]"
        text = f'ownerRef {named} does not exist in namespace "{obj.metadata.namespace}"'
        return [Note(obj, Reason.OWNER_REF_INVALID_NAMESPACE, text, warning=True)]

    def _orphaned(self, obj: Object, snapshot: Snapshot) -> list[Verb]:
        """Dependents forget the owner first; when none names it, the owner may go."""
        uid = obj.metadata.uid
        verbs: list[Verb] = []
        for each in self._ownership.dependents(uid):
            dependent = snapshot.get(each.type, each.key)
            if dependent is not None:
                verbs.append(_with_owners(dependent, [owner for owner in each.owners if owner.uid != uid]))
        return verbs or [_without_finalizer(obj, ORPHAN_FINALIZER)]

    def _is_blocked(self, uid: str) -> bool:
        return any(
            owner.uid == uid and owner.block_owner_deletion
            for dependent in self._ownership.dependents(uid)
            for owner in dependent.owners
        )


def _own_policy(obj: Object) -> str:
    """What the object's own finalizers ask for, should it be deleted."""
    finalizers = obj.metadata.finalizers
    if ORPHAN_FINALIZER in finalizers:
        return ORPHAN
    return FOREGROUND if FOREGROUND_FINALIZER in finalizers else BACKGROUND


def _collect(obj: Object, unseen: list[OwnerReference], propagation: str) -> Collect:
    meta = obj.metadata
    return Collect(type(obj), obj.key, meta.uid, meta.resource_version, tuple(unseen), propagation)


def _without_finalizer(obj: Object, name: str) -> MergePatch:
    """Guarded by the version: a list is replaced as a whole."""
    return _patch(obj, "finalizers", [each for each in obj.metadata.finalizers if each != name])


def _with_owners(obj: Object, owners: Sequence[OwnerReference]) -> MergePatch:
    return _patch(obj, "ownerReferences", [msgspec.to_builtins(each) for each in owners])


def _patch(obj: Object, field: str, value: list[object]) -> MergePatch:
    metadata = {"resourceVersion": obj.metadata.resource_version, field: value or None}
    return MergePatch(type(obj), obj.key, {"metadata": metadata})
