"""YAML parser events -> plain trees (dict, list, str, int, float, bool, None) with the line of every field.

Safe by construction: only scalars that JSON has, no tags that make objects, a bound on depth, and a bound on what aliases
may add ("billion laughs": a few nested aliases can stand for more nodes than memory holds).
"""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

MAX_DEPTH = 100
"""Levels of nesting; no Kubernetes kind comes near."""
MAX_ALIASED = 100_000
"""Nodes that aliases may stand for in one text, all together."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_AS_TEXT = {f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value", "!"}


class TooMuch(Exception):
    """The text is too deep or grows too much through aliases."""


class Root(msgspec.Struct, frozen=True):
    """One document: `line` of its first node, lines of all field paths, paths given twice."""

    value: Any
    line: int
    lines: dict[str, int]
    duplicates: tuple[str, ...]


class Builder:
    """Reads a text document by document. Errors of syntax are `yaml.MarkedYAMLError`."""

    def __init__(self, text: str) -> None:
        self._loader: Any = _LOADER(text)
        self._loader.get_event()  # the stream's start
        self._aliased = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[str, int] = {}
        self._duplicates: list[str] = []
        self._nodes = 0

    def next_document(self) -> Root | None:
        """The next document, or None at the end of the text."""
        if not self._loader.check_event(yaml.DocumentStartEvent):
            return None
        self._loader.get_event()
        self._anchors, self._lines, self._duplicates = {}, {}, []
        line = self._loader.peek_event().start_mark.line + 1
        value = self._node("", 0)
        self._loader.get_event()  # the document's end
        return Root(value, line, self._lines, tuple(self._duplicates))

    def _node(self, path: str, depth: int) -> Any:
        event = self._loader.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise TooMuch(f"line {event.start_mark.line + 1}: nested deeper than {MAX_DEPTH} levels")
        before = self._nodes
        self._nodes += 1
        value: Any
        if isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(path, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not self._loader.check_event(yaml.SequenceEndEvent):
                here = f"{path}[{len(value)}]"
                self._lines[here] = self._loader.peek_event().start_mark.line + 1
                value.append(self._node(here, depth + 1))
            self._loader.get_event()
        else:
            value = self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise yaml.composer.ComposerError(None, None, f"undefined alias {event.anchor}", event.start_mark)
        value, size = self._anchors[event.anchor]
        self._aliased += size
        self._nodes += size
        if self._aliased > MAX_ALIASED:
            raise TooMuch(f"line {event.start_mark.line + 1}: aliases stand for more than {MAX_ALIASED} nodes")
        return value

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            event = self._loader.peek_event()
            mark = event.start_mark
            plain_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._key(self._node(path, depth + 1), mark)
            here = f"{path}.{key}" if path else key
            self._lines.setdefault(here, mark.line + 1)
            value = self._node(here, depth + 1)
            if plain_merge:
                self._merge(merged, value, mark)
                continue
            if key in own:
                self._duplicates.append(here)
            own[key] = value
        self._loader.get_event()
        return {**merged, **own}

    @staticmethod
    def _merge(merged: dict[str, Any], value: Any, mark: Any) -> None:
        """`<<: *base` or `<<: [*a, *b]`: the first that names a key counts."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise yaml.constructor.ConstructorError(None, None, "a merge key needs a mapping", mark)
            for key, inner in source.items():
                merged.setdefault(key, inner)

    @staticmethod
    def _key(value: Any, mark: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        raise yaml.constructor.ConstructorError(None, None, "a key must be a string", mark)

    def _scalar(self, event: Any) -> Any:
        tag = event.tag or self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in _AS_TEXT or tag == f"{_TAG}merge":
            return event.value
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark, style=event.style)
        if tag in (f"{_TAG}int", f"{_TAG}float") and ":" in event.value:
            return event.value  # base 60 is in YAML 1.1, not in Kubernetes: 12:30 is text
        try:
            match tag.removeprefix(_TAG):
                case "null":
                    return None
                case "bool":
                    return self._loader.construct_yaml_bool(node)
                case "int":
                    return self._loader.construct_yaml_int(node)
                case "float":
                    return self._finite(self._loader.construct_yaml_float(node), event)
        except (ValueError, KeyError) as error:
            problem = f"{event.value!r} is no {tag.removeprefix(_TAG)}"
            raise yaml.constructor.ConstructorError(None, None, problem, event.start_mark) from error
        raise yaml.constructor.ConstructorError(None, None, f"the tag {tag!r} has no place in a manifest", event.start_mark)

    @staticmethod
    def _finite(value: float, event: Any) -> Any:
        """JSON has no infinity and no NaN."""
        if value in (float("inf"), float("-inf")) or value != value:
            raise yaml.constructor.ConstructorError(None, None, f"{event.value!r} is no JSON number", event.start_mark)
        return value
