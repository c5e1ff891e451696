"""Sets of fields, in the form that FieldsV1 has them: a tree of path elements, JSON as it stands.

A node belongs to the set where it is empty, or has the member `"."`; otherwise it only leads to others. The empty set is the
empty tree. Source: structured-merge-diff `fieldpath`. All functions leave their arguments as they are and share parts of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

FieldSet = dict[str, Any]

SELF = "."


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def is_set(value: Any) -> bool:
    """Whether a JSON value is a set: a tree whose path elements can be read."""
    level = [value]
    while level:
        if not all(isinstance(each, dict) and all(map(_is_element, each)) for each in level):
            return False
        level = [inner for each in level for inner in each.values()]
    return True


def _is_element(text: str) -> bool:
    if text == SELF or text.startswith("f:"):
        return True
    try:
        value = json.loads(text[2:])
    except (ValueError, RecursionError):
        return False
    return (text.startswith("k:") and isinstance(value, dict) and bool(value)) or text.startswith(("v:", "i:"))


def _made(member: bool, children: FieldSet) -> FieldSet | None:
    """A node, None where nothing is left of it."""
    if not children:
        return {} if member else None
    return {SELF: {}, **children} if member else children


def _children(node: FieldSet) -> FieldSet:
    return {element: each for element, each in node.items() if element != SELF} if SELF in node else node


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either."""
    merged = dict(one)
    for element, node in other.items():
        mine = merged.get(element)
        if mine is None:
            merged[element] = node
        elif mine is not node:
            member = is_member(mine) or is_member(node)
            merged[element] = _made(member, union(_children(mine), _children(node))) or {}
    return merged


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in `one` and not in `other`. A field stays when only its parent is taken."""
    left = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None:
            left[element] = mine
            continue
        member = is_member(mine) and not is_member(theirs)
        node = _made(member, difference(_children(mine), _children(theirs)))
        if node is not None:
            left[element] = node
    return left


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both."""
    shared = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None:
            continue
        node = _made(is_member(mine) and is_member(theirs), intersection(_children(mine), _children(theirs)))
        if node is not None:
            shared[element] = node
    return shared


def without(fields: FieldSet, ignored: Collection[tuple[str, ...]]) -> FieldSet:
    """The set without some paths and all that is below them. A path has one or two elements."""
    for element, *below in ignored:
        if element not in fields:
            continue
        fields = dict(fields)
        node = fields.pop(element)
        if below:
            rest = {each: inner for each, inner in node.items() if each not in below}
            if rest or not node:
                fields[element] = rest
    return fields


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """Every member, those of a node before what is below them, in the order of upstream."""
    ordered = sorted((element for element in fields if element != SELF), key=_order)
    yield from ((element,) for element in ordered if is_member(fields[element]))
    for element in ordered:
        yield from ((element, *below) for below in paths(fields[element]))


def _order(element: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Fields before keys before values; numbers by size."""
    if element.startswith("k:"):
        keys = json.loads(element[2:])
        return "k", tuple((name, _comparable(keys[name])) for name in sorted(keys)), ""
    if element.startswith("v:"):
        return "v", (), _comparable(json.loads(element[2:]))
    return element[:1], (), element


def _comparable(value: Any) -> str:
    return f"{value:020}" if isinstance(value, int) else str(value)


def text(path: tuple[str, ...]) -> str:
    """A path for people: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(map(_shown, path))


def _shown(element: str) -> str:
    if element.startswith("k:"):
        keys = json.loads(element[2:])
        return f"[{','.join(f'{name}={_json(keys[name])}' for name in sorted(keys))}]"
    if element.startswith("v:"):
        return f"[={_json(json.loads(element[2:]))}]"
    return f".{element[2:]}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
