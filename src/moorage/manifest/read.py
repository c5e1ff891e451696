"""Manifest files: YAML or JSON text, any number of documents -> trees that know their lines.

YAML is read as kubectl reads it: 1.1 booleans and merge keys, numbers and timestamps only where JSON has them, keys are
strings. Trees are built from parser events, so that depth and the growth through aliases are bounded while building.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from moorage.manifest.body import duplicates_in
from moorage.manifest.events import Builder, TooMuch
from moorage.model.errors import UserError
from moorage.model.wire import Tree


class Document(msgspec.Struct, frozen=True):
    """One object of a file. `line` counts from 1; `lines` has the line of every field path (empty for JSON text)."""

    tree: Tree
    line: int
    lines: Mapping[str, int] = {}
    duplicates: tuple[str, ...] = ()

    def line_of(self, path: str) -> int:
        """The line of a field, or of its nearest parent that is in the text: required fields are often absent."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.line


def read_documents(text: str) -> list[Document]:
    """Documents in order; empty ones are skipped and a `kind: List` stands for its items.

    Raises UserError `line L, column C: what is wrong` where the text is neither YAML nor JSON, or no mapping.
    """
    documents = _read_json(text) if text.lstrip().startswith("{") else None
    if documents is None:
        documents = _read_yaml(text)
    return [item for each in documents for item in _items(each)]


def _read_json(text: str) -> list[Document] | None:
    """JSON objects one after the other, or None where the text is no JSON (a YAML flow mapping opens with a brace too)."""
    decoder = json.JSONDecoder()
    documents = []
    position = 0
    while (position := _skip_blank(text, position)) < len(text):
        try:
            tree, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        line = text.count("\n", 0, position) + 1
        if not isinstance(tree, dict):
            return None
        documents.append(Document(tree, line, {}, duplicates_in(text[position:end])))
        position = end
    return documents


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _read_yaml(text: str) -> list[Document]:
    documents = []
    try:
        builder = Builder(text)
        while (root := builder.next_document()) is not None:
            if root.value is None:
                continue
            if not isinstance(root.value, dict):
                what = "a list" if isinstance(root.value, list) else "plain text"
                raise UserError(f"line {root.line}, column 1: a manifest is a mapping with apiVersion and kind, this is {what}")
            documents.append(Document(root.value, root.line, root.lines, root.duplicates))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        started = error.context_mark if error.context and error.problem else None
        context = f", {error.context} that starts in line {started.line + 1}" if started else ""
        raise UserError(f"{where}{error.problem or error.context}{context}") from error
    except yaml.reader.ReaderError as error:
        raise UserError(f"character {error.position}: {error.reason}") from error
    except TooMuch as error:
        raise UserError(str(error)) from error
    return documents


def _items(document: Document) -> list[Document]:
    kind, items = document.tree.get("kind"), document.tree.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        return [document]
    documents = []
    for index, item in enumerate(items):
        prefix = f"items[{index}]"
        line = document.line_of(prefix)
        if not isinstance(item, dict):
            raise UserError(f"line {line}, column 1: {prefix} is no object")
        lines = {path[len(prefix) + 1 :]: at for path, at in document.lines.items() if path.startswith(f"{prefix}.")}
        mine: Any = tuple(path[len(prefix) + 1 :] for path in document.duplicates if path.startswith(f"{prefix}."))
        documents.append(Document(item, line, lines, mine))
    return documents
