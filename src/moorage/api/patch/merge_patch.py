"""RFC 7386 JSON Merge Patch: named fields change, null removes, lists are replaced."""

from __future__ import annotations

from moorage.model.wire import Tree


def apply_merge_patch(document: Tree, patch: Tree) -> Tree:
    """The patched document; the given one stays as it is, and shares what did not change."""
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = apply_merge_patch(before if isinstance(before, dict) else {}, value)
        else:
            merged[key] = value
    return merged
