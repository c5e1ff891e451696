"""Server-side apply (KEP-555): the stored object and a configuration -> the new object and its owners, or the conflicts.

Source: structured-merge-diff `merge/update.go` (Apply); apimachinery `managedfields/internal`, lastapplied*.go and conflict.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.model.errors import ApiError
from moorage.model.kinds import Kind
from moorage.model.meta import ManagedFieldsEntry
from moorage.model.wire import Tree
from moorage.registry.managed.compare import compare, fields_of
from moorage.registry.managed.entries import Entries, Write, fields_in, identity, ordered, with_fields
from moorage.registry.managed.fieldset import FieldSet, difference, intersection, paths, text, union, without
from moorage.registry.managed.merge import merge, prune
from moorage.registry.managed.ownership import ignored
from moorage.registry.managed.schema import schema_of

BEFORE_FIRST_APPLY = "before-first-apply"
"""Owns what an object had when it was first applied to, if nobody was recorded until then."""
KUBECTL = "kubectl"
"""The manager that takes over from client-side apply."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Conflict = tuple[ManagedFieldsEntry, FieldSet]


class Applied(msgspec.Struct, frozen=True):
    """`tree` has no managedFields; `entries` are to become them."""

    tree: Tree
    entries: Entries | None


def apply(kind: Kind, live: Tree, entries: Entries, config: Tree, write: Write, force: bool) -> Applied:
    """`live` is the stored object without its managedFields, empty for one that is to be created. Raises ApiError 409."""
    schema, out_of_reach = schema_of(kind), ignored(kind, write.subresource)
    if live and not entries:
        entries = _before_first_apply(kind, live, write)
    own = without(fields_of(schema, config), out_of_reach)
    mine = write.entry(own, write.time)
    others = [each for each in entries if identity(each) != identity(mine)]
    previous = next((each for each in entries if identity(each) == identity(mine)), None)
    wanted = merge(schema, live, config)
    if previous is not None:
        managed = own
        for each in others:
            managed = union(managed, fields_in(each))
        wanted = prune(schema, wanted, fields_in(previous), managed)
    found = compare(schema, live, wanted).without(out_of_reach)
    conflicts = _conflicts(others, found.touched)
    if not force:
        _check(conflicts, _taken_over(kind, live, write.manager) if conflicts else {})
    left = []
    for entry in others:
        has = difference(difference(fields_in(entry), found.touched), found.removed)
        if has:
            left.append(with_fields(entry, has) if has != fields_in(entry) else entry)
    if own:
        left.append(_renewed(mine, previous, own, wanted == live))
    return Applied(_with_annotation(wanted, config, write.manager), ordered(left))


def _renewed(mine: ManagedFieldsEntry, previous: ManagedFieldsEntry | None, own: FieldSet, same: bool) -> ManagedFieldsEntry:
    """The applier's entry. Its time is that of the last apply that changed the object."""
    if same:
        mine = msgspec.structs.replace(mine, time=previous.time if previous else None)
    if previous is not None and fields_in(previous) == own:
        return msgspec.structs.replace(previous, api_version=mine.api_version, time=mine.time)
    return mine


def _before_first_apply(kind: Kind, live: Tree, write: Write) -> Entries:
    everything = compare(schema_of(kind), {}, live).without(ignored(kind, write.subresource)).touched
    old = Write(BEFORE_FIRST_APPLY, write.api_version, write.time, write.subresource)
    return (old.entry(everything, write.time),) if everything else ()


def _conflicts(others: list[ManagedFieldsEntry], touched: FieldSet) -> list[Conflict]:
    found = ((each, intersection(fields_in(each), touched)) for each in others)
    return [(each, fields) for each, fields in found if fields]


def _check(conflicts: list[Conflict], allowed: FieldSet) -> None:
    """Raises ApiError 409 for conflicts; where all of them are allowed, there are none."""
    left = [(each, rest) for each, fields in conflicts if (rest := difference(fields, allowed))]
    if left:
        raise _refusal(left)


def _refusal(conflicts: list[Conflict]) -> ApiError:
    listed = [(_manager(each), text(path)) for each, fields in conflicts for path in paths(fields)]
    if len(listed) == 1:
        message = f"Apply failed with 1 conflict: conflict with {listed[0][0]}: {listed[0][1]}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in listed}):
            lines += [f"conflicts with {manager}:", *(f"- {path}" for each, path in listed if each == manager)]
        message = f"Apply failed with {len(listed)} conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path} for manager, path in listed
    ]
    return ApiError(409, "Conflict", message, {"causes": causes})


def _manager(entry: ManagedFieldsEntry) -> str:
    through = f' with subresource "{entry.subresource}"' if entry.subresource else ""
    version = f" using {entry.api_version}" if entry.operation == "Update" else ""
    return f'"{entry.manager}"{through}{version}'


def _taken_over(kind: Kind, live: Tree, manager: str) -> FieldSet:
    """What client-side apply set last, as the annotation of kubectl tells, and nobody changed since: kubectl may take it."""
    annotation = _annotations(live).get(LAST_APPLIED)
    if manager != KUBECTL or not isinstance(annotation, str):
        return {}
    try:
        last = msgspec.json.decode(annotation, type=dict[str, Any])
        schema = schema_of(kind)
        if last.get("apiVersion") != kind.api_version:
            return {}
        fields, found = fields_of(schema, last), compare(schema, last, live)
    except (msgspec.DecodeError, TypeError, AttributeError):
        return {}
    return difference(difference(fields, found.touched), found.removed)


def _with_annotation(wanted: Tree, config: Tree, manager: str) -> Tree:
    """Keeps kubectl's annotation true where an object has one."""
    if manager != KUBECTL or not _annotations(wanted).get(LAST_APPLIED):
        return wanted
    metadata = dict(config.get("metadata") or {})
    if isinstance(metadata.get("annotations"), dict):
        metadata["annotations"] = {name: each for name, each in metadata["annotations"].items() if name != LAST_APPLIED}
    said = msgspec.json.encode({**config, "metadata": metadata}, order="sorted").decode() + "\n"
    annotations = {**_annotations(wanted), LAST_APPLIED: said}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


def _annotations(tree: Tree) -> Tree:
    found = (tree.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}
