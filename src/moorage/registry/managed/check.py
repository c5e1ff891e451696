"""What makes a configuration impossible to apply: unknown fields, list items that cannot be told apart.

Source: structured-merge-diff `typed/validate.go`, whose words these are. Types of values are judged by `manifest.convert`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moorage.model.errors import ApiError, bad_request
from moorage.model.kinds import Kind
from moorage.model.meta import Key
from moorage.model.wire import Tree
from moorage.registry.managed.fieldset import text
from moorage.registry.managed.schema import Items, Node, Repeated, schema_of

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")


def check_configuration(kind: Kind, key: Key, tree: Tree, unknown: Sequence[str]) -> None:
    """`unknown` are the paths of fields that the type does not have.

    Raises ApiError 400; upstream answers 500 in the same words.
    """
    schema = schema_of(kind)
    problems = [*(f"{_keyed(schema, tree, path)}: field not declared in schema" for path in unknown), *_items(schema, tree, "")]
    if problems:
        what = f"{key.namespace}/{key.name}; {kind.group}/{kind.version}, Kind={kind.kind}"
        listed = problems[0] if len(problems) == 1 else "\n  ".join(["errors:", *problems])
        raise bad_request(f"failed to create typed patch object ({what}): {listed}")


def invalid_type(tree: Tree) -> ApiError:
    """A configuration of another kind or version than the URL names, or of none."""
    group, _, version = str(tree.get("apiVersion") or "").rpartition("/")
    return bad_request(f"invalid object type: {group}/{version}, Kind={tree.get('kind') or ''}")


def _keyed(node: Node, value: Any, path: str) -> str:
    """`spec.ports[0].x` with the keys of list items in place of their numbers."""
    shown = ""
    for number, name in _STEP.findall(path):
        if name:
            shown += f".{name}"
            node, value = node.child(f"f:{name}"), value.get(name)
            continue
        value = value[int(number)]
        element = node.element(value) if isinstance(node, Items) else None
        shown += text((element,)) if element else f"[{number}]"
        node = node.child(element or "")
    return shown


def _items(node: Node, value: Any, path: str) -> Iterator[str]:
    """Items without keys, and items with the same keys, in lists that need keys."""
    if value is None or isinstance(value, Repeated):
        return
    if isinstance(node, Items):
        for index, each in enumerate(value):
            if node.element(each) is None:
                keys = msgspec.json.encode(node.keys).decode()
                without = f"associative list with keys has an element that omits all key fields {keys}"
                yield f"{path}: element {index}: {without} (and doesn't have default values for any key fields)"
    for element, each in (node.parts(value, zero=False) or {}).items():
        here = path + text((element,))
        if isinstance(each, Repeated):
            yield f"{path}: duplicate entries for key {text((element,))}"
        yield from _items(node.child(element), each, here)
