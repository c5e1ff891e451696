"""Two values of one schema -> which fields were added, changed and removed; one value -> the fields it sets.

Source: structured-merge-diff `typed/compare.go` and `typed/tofieldset.go`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from moorage.registry.managed.fieldset import SELF, FieldSet, union, without
from moorage.registry.managed.schema import LEAF, Entries, Items, Node, Record, Repeated, Values


class Comparison(msgspec.Struct, frozen=True):
    """No field is in two of the sets."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def touched(self) -> FieldSet:
        """What the later value sets anew."""
        return union(self.added, self.modified)

    def without(self, ignored: Collection[tuple[str, ...]]) -> Comparison:
        return Comparison(*(without(each, ignored) for each in (self.added, self.modified, self.removed)))


def compare(node: Node, before: Any, after: Any) -> Comparison:
    """Both are structs or trees; None stands for a JSON null in a tree."""
    found = Comparison({}, {}, {})
    _compare(node, before, after, found)
    return found


def created(node: Record, value: Any) -> FieldSet:
    """What a new struct sets: all that an empty one does not have. The same as comparing with it, and cheaper."""
    found: FieldSet = {}
    for element, each in node.parts(value).items():
        child = node.child(element)
        if element in node.always and isinstance(child, Record):
            if inner := created(child, each):
                found[element] = inner
        elif element not in node.always:
            found[element] = {} if child is LEAF else _whole(child, each)
        elif each:
            found[element] = {name: _whole(child.child(name), part) for name, part in _parts(child, each).items()}
    return found


def _compare(node: Node, before: Any, after: Any, found: Comparison) -> None:
    old, new = _parts(node, before), _parts(node, after)
    for element, value in new.items():
        child = node.child(element)
        if element not in old:
            found.added[element] = {} if child is LEAF else _whole(child, value)
            continue
        was = old[element]
        if was is value or was == value:
            continue
        if isinstance(was, Repeated) != isinstance(value, Repeated):
            found.removed[element] = _whole(child, was)
            found.added[element] = _whole(child, value)
        elif isinstance(was, Repeated) or _are_leaves(child, was, value):
            found.modified[element] = {}
        else:
            inner = compare(child, was, value)
            for name in ("added", "modified", "removed"):
                if part := getattr(inner, name):
                    getattr(found, name)[element] = part
    for element, was in old.items():
        if element not in new:
            found.removed[element] = _whole(node.child(element), was)


def _are_leaves(node: Node, was: Any, value: Any) -> bool:
    """Whether two unlike values are compared as wholes. Structs never are: without parts they differ in what nobody owns."""
    return not (isinstance(node, Record) or _parts(node, was) or _parts(node, value))


def _parts(node: Node, value: Any) -> dict[str, Any]:
    return {} if value is None or isinstance(value, Repeated) else node.parts(value) or {}


def _whole(node: Node, value: Any) -> FieldSet:
    """The set of a value that is new, or gone, with all that is in it."""
    parts = _parts(node, value)
    if not parts:
        return {}
    fields: FieldSet = {SELF: {}}
    for element, each in parts.items():
        child = node.child(element)
        fields[element] = {} if child is LEAF else _whole(child, each)
    return fields


def fields_of(node: Node, value: Any) -> FieldSet:
    """The fields that an applied configuration sets: leaves, empty maps, list items and keys of maps, but no struct as such."""
    fields: FieldSet = {}
    for element, each in _given(node, value).items():
        child = node.child(element)
        below = fields_of(child, each)
        if isinstance(each, Repeated) or _is_leaf(child, each) or isinstance(node, Entries | Items | Values):
            fields[element] = {SELF: {}, **below} if below else {}
        elif below:
            fields[element] = below
    return fields


def _given(node: Node, value: Any) -> dict[str, Any]:
    return {} if value is None or isinstance(value, Repeated) else node.parts(value, zero=False) or {}


def _is_leaf(node: Node, value: Any) -> bool:
    """Whether a value counts by itself: it has no parts by its kind, is null, or is an empty map."""
    return value is None or value == {} or node.parts(value, zero=False) is None
