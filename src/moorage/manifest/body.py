"""The body of a request: JSON bytes -> a tree, and the fields that are given twice.

Decoders keep the last of two equal keys without a word. Whether any was lost is seen by counting quotation marks: writing
the decoded tree again gives exactly as many unless a key was lost (or text is escaped in another way, which costs a second
look). So the usual body is decoded once, fast.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from moorage.model.errors import bad_request
from moorage.model.wire import Tree


class Body(msgspec.Struct, frozen=True):
    """`duplicates` are paths such as `spec.ports[0].port`; the last value counts, as in Go."""

    tree: Tree
    duplicates: tuple[str, ...] = ()


def read_body(data: bytes) -> Body:
    """Raises ApiError 400 where the bytes are no JSON object."""
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(tree, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no JSON object")
    plain = b"\\u" not in data and data.count(b'"') == msgspec.json.encode(tree).count(b'"')
    return Body(tree, () if plain else duplicates_in(data.decode()))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written, repetitions included."""


def duplicates_in(text: str) -> tuple[str, ...]:
    """Paths of fields that a JSON text gives more than once."""
    found: dict[str, None] = {}
    stack: list[tuple[str, Any]] = [("", json.loads(text, object_pairs_hook=_Pairs))]
    while stack:
        path, value = stack.pop()
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, inner in value:
                here = f"{path}.{key}" if path else key
                if key in seen:
                    found[here] = None
                seen.add(key)
                stack.append((here, inner))
        elif isinstance(value, list):
            stack.extend((f"{path}[{index}]", inner) for index, inner in enumerate(value))
    return tuple(found)
