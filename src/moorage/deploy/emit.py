"""Trees -> YAML text, with comments; and, of trees with holes, the text of a chart's templates.

Both are written by the same lines, so that they say the same. The text is made for Go's templates only where a hole is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from moorage.deploy.tree import Block, Document, Hash, Json, Noted, Ref, Text, When

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
"""Texts that are themselves in every YAML, but for the words below."""
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

WIDTH = 118
"""Columns that a comment may fill."""


def yaml_of(tree: Any) -> str:
    """One document, without a separator."""
    return "".join(f"{line}\n" for line in _lines(tree, 0))


def stream_of(trees: list[Any]) -> str:
    """Several documents."""
    return "".join(f"---\n{yaml_of(each)}" for each in trees)


def template_of(documents: list[Document]) -> str:
    """The text of one template file."""
    parts = []
    for each in documents:
        text = f"---\n{yaml_of(each.tree)}"
        parts.append(f"{{{{- if .Values.{each.when} }}}}\n{text}{{{{- end }}}}\n" if each.when else text)
    return "".join(parts)


def plain(node: Any) -> Any:
    """A filled tree as plain objects, as a YAML reader gives them."""
    match node:
        case Json(value):
            return list(value) if isinstance(value, tuple) else value
        case Noted(_, value):
            return plain(value)
        case Block(document):
            return yaml_of(document)
        case dict():
            return {key: plain(value) for key, value in node.items()}
        case list():
            return [plain(each) for each in node]
    return node


def comment(text: str, indent: int) -> Iterator[str]:
    """Lines of a comment, broken between words."""
    if "{{" in text:
        raise ValueError(f"{text!r} would be an action of a chart's template")
    line = " " * indent + "#"
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH and not line.endswith("#"):
            yield line
            line = " " * indent + "#"
        line += f" {word}"
    yield line


def _lines(node: Any, indent: int) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _entry(f"{_scalar(key)}:", value, indent)
    elif isinstance(node, list) and node:
        for each in node:
            yield from _entry("-", each, indent)
    else:
        yield " " * indent + _scalar(node)


def _entry(head: str, value: Any, indent: int) -> Iterator[str]:
    """`key:` or `-`, and what belongs to it."""
    match value:
        case When(path, then):
            yield f"{' ' * indent}{{{{- if .Values.{path} }}}}"
            yield from _entry(head, then, indent)
            yield f"{' ' * indent}{{{{- end }}}}"
        case Noted(note, inner):
            yield from comment(note, indent)
            yield from _entry(head, inner, indent)
        case Block(document):
            yield f"{' ' * indent}{head} |"
            yield from _lines(document, indent + 2)
        case dict() if value and head == "-":
            inner_lines = _lines(value, indent + 2)
            first = next(inner_lines)
            if first.lstrip().startswith(("#", "{{")):
                raise ValueError("the first key of an item has neither a comment nor a condition")
            yield f"{' ' * indent}- {first.lstrip()}"
            yield from inner_lines
        case dict() | list() if value:
            yield " " * indent + head
            yield from _lines(value, indent + 2)
        case _:
            yield f"{' ' * indent}{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    match value:
        case Ref(path):
            return f"{{{{ .Values.{path} | toJson }}}}"
        case Hash(path):
            return f"{{{{ .Values.{path} | toJson | sha256sum | toJson }}}}"
        case Text(parts):
            form = "".join(each.replace("%", "%%") if isinstance(each, str) else "%v" for each in parts)
            given = " ".join(f".Values.{each.path}" for each in parts if isinstance(each, Ref))
            return f"{{{{ printf {json.dumps(form)} {given} | toJson }}}}"
        case Json(inner):
            return json.dumps(inner, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        case str():
            if "{{" in value:
                raise ValueError(f"{value!r} would be an action of a chart's template")
            return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
