"""Which finalizers a delete leaves to the garbage collector.

Source: `deletionFinalizersForGarbageCollection` in apiserver `registry/generic/registry/store.go`.
"""

from __future__ import annotations

from moorage.model.garbage import FOREGROUND, FOREGROUND_FINALIZER, ORPHAN, ORPHAN_FINALIZER
from moorage.model.kinds import EVENTS, Kind
from moorage.model.meta import ObjectMeta


def finalizers(kind: Kind, meta: ObjectMeta, propagation: str) -> tuple[str, ...]:
    """The object's finalizers after a delete with that policy. Without a policy, those that it has decide."""
    wanted = _wanted(meta, propagation) if kind is not EVENTS else ""
    if wanted and wanted in meta.finalizers and not _other(wanted) & set(meta.finalizers):
        return meta.finalizers
    kept = tuple(each for each in meta.finalizers if each not in (ORPHAN_FINALIZER, FOREGROUND_FINALIZER))
    return (*kept, wanted) if wanted else kept


def _wanted(meta: ObjectMeta, propagation: str) -> str:
    if propagation:
        return {ORPHAN: ORPHAN_FINALIZER, FOREGROUND: FOREGROUND_FINALIZER}.get(propagation, "")
    return next((each for each in (ORPHAN_FINALIZER, FOREGROUND_FINALIZER) if each in meta.finalizers), "")


def _other(finalizer: str) -> set[str]:
    return {ORPHAN_FINALIZER, FOREGROUND_FINALIZER} - {finalizer}
