"""An applied configuration and the stored object -> the object as it should be: merged, and what is no longer applied removed.

Works on trees. Source: structured-merge-diff `typed/merge.go`, `typed/remove.go` and `merge/update.go` (prune).
"""

from __future__ import annotations

from typing import Any

from moorage.registry.managed.compare import fields_of
from moorage.registry.managed.fieldset import SELF, FieldSet, difference, intersection, is_member, union
from moorage.registry.managed.schema import Items, Node, Values


def merge(node: Node, live: Any, config: Any) -> Any:
    """The live value with the configuration laid over it. A null clears a plain value and leaves maps and keyed lists alone."""
    if isinstance(live, dict) and node.parts(live) is not None:
        if config is None:
            return live or None
        merged = dict(live)
        for name, value in config.items():
            merged[name] = merge(node.child(f"f:{name}"), live[name], value) if name in live else value
        return merged
    if isinstance(live, list) and isinstance(node, Items | Values):
        return _merge_list(node, live, config or []) if live or config else config
    return config


def _merge_list(node: Items | Values, live: list[Any], config: list[Any]) -> list[Any]:
    """Items of the configuration in its order; the others keep their place among those that both have."""
    ours = {node.element(each): each for each in config}
    theirs: dict[str | None, list[Any]] = {}
    for each in live:
        theirs.setdefault(node.element(each), []).append(each)
    shared = [element for element in ours if element in theirs]
    merged: list[Any] = []
    waiting = list(ours)

    def take(until: str | None) -> None:
        """Takes items of the configuration up to one, or all."""
        while waiting:
            element = waiting.pop(0)
            known = theirs.get(element, [])
            item = ours[element]
            merged.append(merge(node.child(element or ""), known[0], item) if len(known) == 1 else item)
            if element == until:
                return

    place = 0
    for each in live:
        element = node.element(each)
        if element not in ours:
            merged.append(each)
        elif place < len(shared) and element == shared[place]:
            take(element)
            place += 1
    take(None)
    return merged


def remove(node: Node, value: Any, fields: FieldSet) -> Any:
    """The value without the fields of a set. A container that loses all it has stays, empty."""
    if isinstance(value, dict) and node.parts(value) is not None:
        kept: Any = {}
        for name, each in value.items():
            element = f"f:{name}"
            if element not in fields:
                kept[name] = each
            elif not is_member(fields[element]):
                kept[name] = remove(node.child(element), each, fields[element])
        return kept
    if isinstance(value, list) and isinstance(node, Items | Values):
        kept = []
        for each in value:
            element = node.element(each) or ""
            if element not in fields:
                kept.append(each)
            elif not is_member(fields[element]):
                kept.append(remove(node.child(element), each, fields[element]))
        return kept
    return value


def prune(node: Node, merged: Any, last: FieldSet, managed: FieldSet) -> Any:
    """Removes what a manager applied before (`last`), unless somebody has it now (`managed`, the manager itself included).

    A struct goes with its last owner, defaults that nobody owns included.
    """
    last, managed, everything = (_with_structs(node, each) for each in (last, managed, fields_of(node, merged)))
    left = _with_structs(node, fields_of(node, remove(node, merged, last)))
    owned = remove(node, merged, difference(everything, union(left, managed)))
    gone = difference(everything, _with_structs(node, fields_of(node, owned)))
    return remove(node, merged, intersection(gone, last))


def _with_structs(node: Node, fields: FieldSet) -> FieldSet:
    """The set with the structs that lead to its members; `metadata` is never in it, since it holds what nobody owns."""
    named: FieldSet = {}
    for element, each in fields.items():
        if element == SELF:
            continue
        below = _with_structs(node.child(element), each)
        struct = node.named and element != "f:metadata"
        named[element] = {SELF: {}, **below} if below and (struct or is_member(each)) else below
    return named
