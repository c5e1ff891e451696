"""Server-side apply as the registry sees it: a configuration is judged, and becomes the object that is to be written.

Source: apiserver `endpoints/handlers/patch.go` (applyPatcher), apimachinery `managedfields/internal/structuredmerge.go`.
"""

from __future__ import annotations

import msgspec

from moorage.manifest.convert import Decoded, decode, load, to_tree
from moorage.manifest.fields import field_warnings
from moorage.model.errors import bad_request, conflict
from moorage.model.kinds import Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import Record, WriteOptions
from moorage.model.wire import Tree
from moorage.registry.managed.apply import apply
from moorage.registry.managed.check import check_configuration, invalid_type
from moorage.registry.managed.entries import Write
from moorage.registry.managed.ownership import with_entries
from moorage.registry.refusals import check_name, check_namespace


def read_configuration(kind: Kind, key: Key, tree: Tree, options: WriteOptions) -> tuple[str, ...]:
    """Warnings about fields that are given twice. Raises ApiError 400 for what cannot be applied."""
    if (tree.get("apiVersion"), tree.get("kind")) != (kind.api_version, kind.kind):
        raise invalid_type(tree)
    decoded = decode(kind, tree)
    if decoded.obj.metadata.managed_fields is not None:
        raise bad_request("metadata.managedFields must be nil")
    check_configuration(kind, key, tree, decoded.unknown_fields)
    return field_warnings(kind, Decoded(decoded.obj), options)


def applied(kind: Kind, key: Key, record: Record | None, config: Tree, write: Write, force: bool) -> Object:
    """The stored object (None: there is none) with the configuration applied, and the new owners. Raises ApiError 400, 409."""
    stored = load(kind, record.body) if record else None
    live = to_tree(record.body) if record else {}
    if live:
        live["metadata"].pop("managedFields", None)
    done = apply(kind, live, (stored.metadata.managed_fields if stored else None) or (), config, write, force)
    obj = with_entries(decode(kind, done.tree).obj, done.entries)
    meta = obj.metadata
    if stored is None:
        if meta.uid:
            text = f"uid mismatch: the provided object specified uid {meta.uid}, and no existing object was found"
            raise conflict(kind.plural, kind.group, key.name, text)
        obj = msgspec.structs.replace(obj, metadata=msgspec.structs.replace(meta, resource_version=""))
    check_namespace(kind, key.namespace, obj)
    check_name(key, obj)
    return obj
