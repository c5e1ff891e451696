"""`metadata.managedFields`: entries <-> sets of fields, and the order in which entries stand.

Source: apimachinery `managedfields/internal/managedfields.go`, `capmanagers.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.model.meta import ManagedFieldsEntry
from moorage.registry.formats import time
from moorage.registry.managed.fieldset import FieldSet, is_set, union

APPLY = "Apply"
UPDATE = "Update"
FIELDS_V1 = "FieldsV1"
MAX_UPDATERS = 10
"""Entries of updates that an object keeps; older ones become one."""
NAME_LIMIT = 128
"""Bytes of the name of a manager."""
OLD_UPDATES = "ancient-changes"

Entries = tuple[ManagedFieldsEntry, ...]
Identity = tuple[str, str, str, str]


class Write(msgspec.Struct, frozen=True):
    """Who writes: `manager` (empty: unknown), through which subresource, in which version, when (`metav1.Time`)."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""
    operation: str = UPDATE

    def entry(self, fields: FieldSet, time: str | None) -> ManagedFieldsEntry:
        return ManagedFieldsEntry(
            manager=self.manager or "unknown",
            operation=self.operation,
            api_version=self.api_version,
            time=time,
            fields_type=FIELDS_V1,
            fields_v1=encoded(fields),
            subresource=self.subresource,
        )


def identity(entry: ManagedFieldsEntry) -> Identity:
    """What tells entries apart: an applier has one, whatever version it applies in."""
    version = "" if entry.operation == APPLY else entry.api_version
    return entry.manager, entry.operation, version, entry.subresource


def encoded(fields: FieldSet) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(fields))


def fields_in(entry: ManagedFieldsEntry) -> FieldSet:
    fields: FieldSet = msgspec.json.decode(entry.fields_v1) if entry.fields_v1 else {}
    return fields


def with_fields(entry: ManagedFieldsEntry, fields: FieldSet) -> ManagedFieldsEntry:
    return msgspec.structs.replace(entry, fields_v1=encoded(fields))


def is_reset(entries: Entries | None) -> bool:
    """Whether a writer asks for ownership to be forgotten: an empty list, or one empty entry."""
    return entries == () or entries == (ManagedFieldsEntry(),)


def readable(entries: Entries) -> bool:
    """Whether entries that a writer gives can be used; otherwise the stored ones stay."""
    return all(
        each.operation in (APPLY, UPDATE)
        and each.api_version
        and each.fields_type == FIELDS_V1
        and len(each.manager.encode()) <= NAME_LIMIT
        and (each.time is None or not time(each.time))
        and is_set(fields_in(each))
        for each in entries
    )


def ordered(entries: Sequence[ManagedFieldsEntry]) -> Entries | None:
    """Appliers first, each by time; None where there are none. Of two with the same identity the later counts."""
    found = {identity(each): each for each in entries}
    return tuple(sorted(found.values(), key=_place)) or None


def _place(entry: ManagedFieldsEntry) -> tuple[str, str, str, str, str]:
    return entry.operation, entry.time or "", entry.manager, entry.api_version, entry.subresource


def capped(entries: list[ManagedFieldsEntry]) -> list[ManagedFieldsEntry]:
    """The oldest updates of each version united into one entry, until few enough are left."""
    updates = sorted((each for each in entries if each.operation == UPDATE), key=lambda each: (each.time or "", identity(each)))
    surplus = len(updates) - MAX_UPDATERS
    if surplus <= 0:
        return entries
    kept = [each for each in entries if each.operation != UPDATE]
    buckets: dict[str, ManagedFieldsEntry] = {}
    for update in updates:
        first = buckets.get(update.api_version)
        if surplus > 0 and first is not None:
            fields = union(fields_in(update), fields_in(first))
            old = ManagedFieldsEntry(
                manager=OLD_UPDATES,
                operation=UPDATE,
                api_version=update.api_version,
                time=update.time,
                fields_type=FIELDS_V1,
                fields_v1=encoded(fields),
            )
            buckets[update.api_version] = old
            surplus -= 1
        elif surplus > 0:
            buckets[update.api_version] = update
        else:
            kept.append(update)
    return [*kept, *buckets.values()]
