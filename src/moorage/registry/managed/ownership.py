"""A write that is no apply: before and after -> who owns which fields afterwards.

Whoever changes a field owns it from then on, and nobody else does. Source: structured-merge-diff `merge/update.go` (Update) and
apimachinery `managedfields/internal` (fieldmanager.go, managedfieldsupdater.go, skipnonapplied.go).
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from moorage.model.kinds import Kind
from moorage.model.meta import ManagedFieldsEntry, Object
from moorage.registry.managed.compare import Comparison, compare, created
from moorage.registry.managed.entries import (
    Entries,
    Write,
    capped,
    fields_in,
    identity,
    is_reset,
    ordered,
    readable,
    with_fields,
)
from moorage.registry.managed.fieldset import difference, union
from moorage.registry.managed.schema import schema_of


def ignored(kind: Kind, subresource: str) -> Collection[tuple[str, ...]]:
    """Fields that a write through that door cannot change (upstream: GetResetFields)."""
    if subresource == "status":
        pods = (("f:metadata", "f:ownerReferences"), ("f:metadata", "f:deletionTimestamp")) if kind.kind == "Pod" else ()
        return (("f:spec",), *pods)
    return (("f:status",),) if "status" in kind.subresources else ()


def owned(kind: Kind, before: Object | None, after: Object, write: Write) -> Object:
    """`after`, with what `write` changed recorded. `before` is None for a create. Both are complete with defaults."""
    if after == before:
        return after
    entries = _given(before, after, write.subresource)
    if entries or before is None:
        entries = _changed(kind, before, after, entries, write)
    return with_entries(after, ordered(entries))


def with_entries(obj: Object, entries: Entries | None) -> Object:
    if obj.metadata.managed_fields == entries:
        return obj
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, managed_fields=entries))


def _given(before: Object | None, after: Object, subresource: str) -> Entries:
    """The entries to start from: those of the body where it has some that can be read, else the stored ones."""
    stored = (before.metadata.managed_fields if before else None) or ()
    given = after.metadata.managed_fields
    if subresource or given is None or given == stored:
        return stored
    if is_reset(given):
        return ()
    return given if readable(given) else stored


def _changed(kind: Kind, before: Object | None, after: Object, entries: Entries, write: Write) -> Entries:
    schema = schema_of(kind)
    found = Comparison(created(schema, after), {}, {}) if before is None else compare(schema, before, after)
    found = found.without(ignored(kind, write.subresource))
    touched = found.touched
    if not touched and not found.removed:
        return entries
    left = []
    for entry in entries:
        had = fields_in(entry) if entry.api_version == write.api_version else {}
        has = difference(difference(had, touched), found.removed)
        if has == had:
            left.append(entry)
        elif has:
            left.append(with_fields(entry, has))
    if touched:
        mine = write.entry(touched, write.time)
        previous = next((each for each in left if identity(each) == identity(mine)), None)
        if previous is not None:
            left.remove(previous)
            mine = with_fields(mine, union(fields_in(previous), touched))
        left.append(mine)
    return tuple(capped(left))


def settled(before: Object, after: Object) -> Object:
    """`after` with the old times where nothing but times of entries differs: such a write changes nothing.

    Source: apiserver `endpoints/handlers/fieldmanager/equality.go`.
    """
    old, new = before.metadata.managed_fields, after.metadata.managed_fields
    if old == new or old is None or new is None or [_timeless(each) for each in old] != [_timeless(each) for each in new]:
        return after
    quiet = with_entries(after, old)
    return quiet if quiet == before else after


def _timeless(entry: ManagedFieldsEntry) -> ManagedFieldsEntry:
    return msgspec.structs.replace(entry, time=None)
