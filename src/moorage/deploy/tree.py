"""Objects as trees with holes: the one form from which both manifests and chart templates are made.

A tree is what JSON has (mappings, lists, scalars) and the marks below. `filled` puts values into the holes; the chart writes
the same holes as template actions. Truth is Go's: false, 0, empty texts and empty collections are false.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from moorage.model.wire import Tree


class Ref(msgspec.Struct, frozen=True):
    """The value at a path of the values: `node.dnsPort`."""

    path: str


class Text(msgspec.Struct, frozen=True):
    """A string made of texts and values."""

    parts: tuple[str | Ref, ...]


class When(msgspec.Struct, frozen=True):
    """As the value of a key or an item of a list: there only where the value at `path` is true."""

    path: str
    then: Any


class Noted(msgspec.Struct, frozen=True):
    """With a comment above it."""

    note: str
    value: Any


class Block(msgspec.Struct, frozen=True):
    """A string that is itself a YAML document: a file of a ConfigMap."""

    document: Any


class Hash(msgspec.Struct, frozen=True):
    """SHA-256 of the values below a path, in hexadecimal: it changes when they do."""

    path: str


class Json(msgspec.Struct, frozen=True):
    """A value that is written as JSON, as a chart writes what it puts into a hole."""

    value: Any


class Document(msgspec.Struct, frozen=True):
    """One object. `file` is where a chart and a kustomize base keep it, without suffix; `when` as in `When`, empty: always."""

    file: str
    tree: Tree
    when: str = ""


def look_up(path: str, values: Mapping[str, Any]) -> Any:
    """Raises KeyError where there is no such value: a mark that was written wrongly."""
    found: Any = values
    for each in path.split("."):
        found = found[each]
    return found


def go_json(value: Any) -> str:
    """Compact JSON as Go writes it (`encoding/json` with HTML escapes), which a hash must be taken of."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for each in "<>&\u2028\u2029":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text


def filled(node: Any, values: Mapping[str, Any]) -> Any:
    """The tree without Ref, Text and When. What is not there is left out of its mapping or list."""
    match node:
        case Ref(path):
            return Json(look_up(path, values))
        case Text(parts):
            return Json("".join(each if isinstance(each, str) else str(look_up(each.path, values)) for each in parts))
        case Hash(path):
            return Json(sha256(go_json(look_up(path, values)).encode()).hexdigest())
        case Noted(note, value):
            return Noted(note, filled(value, values))
        case Block(document):
            return Block(filled(document, values))
        case dict():
            return {key: filled(_then(each), values) for key, each in node.items() if _is_there(each, values)}
        case list():
            return [filled(_then(each), values) for each in node if _is_there(each, values)]
    return node


def _is_there(node: Any, values: Mapping[str, Any]) -> bool:
    match node:
        case When(path, then):
            return bool(look_up(path, values)) and _is_there(then, values)
        case Noted(_, value):
            return _is_there(value, values)
    return True


def _then(node: Any) -> Any:
    match node:
        case When(_, then):
            return _then(then)
        case Noted(note, value):
            return Noted(note, _then(value))
    return node
