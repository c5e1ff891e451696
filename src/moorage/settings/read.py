"""The text of a configuration file, and what flags say -> settings, or everything that is wrong with them at once.

A flag wins over the file, the file over the default. A file is one YAML or JSON document with `apiVersion`, `kind` and the
keys of its settings type; nothing else is let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from moorage.manifest.read import Document, read_documents
from moorage.model.errors import FieldError, UserError, forbidden, invalid, not_supported, required
from moorage.settings.fields import API_VERSION, Field, Settings, fields

S = TypeVar("S", bound=Settings)

_HEAD = ("apiVersion", "kind")


def read_settings(type_: type[S], flags: Mapping[str, object] | None = None, text: str = "", source: str = "") -> S:
    """`flags` are by field name, without those that were not given; `text` is that of the file `source`, empty for none.

    Raises UserError with a line for each thing that is wrong, each saying where: the file's line and key, or the flag.
    """
    document = _document(text, source) if text.strip() else Document({}, 1)
    said = _Said(type_, dict(flags or {}), document, source)
    wrong = list(_wrong_in_file(type_, document))
    values: dict[str, Any] = {}
    for field in fields(type_):
        raw = said.value(field)
        if raw is None:
            if field.required:
                wrong.append(required(field.key, field.about))
            continue
        try:
            values[field.name] = msgspec.convert(raw, field.type)
        except msgspec.ValidationError:
            wrong += _wrong_value(field, raw)
    if not wrong:
        settings = type_(**values)
        wrong = list(settings.wrong())
        if not wrong:
            return settings
    raise UserError("\n".join(map(said.tell, wrong)))


class _Said:
    """Where each value comes from."""

    def __init__(self, type_: type[Settings], flags: Mapping[str, object], document: Document, source: str) -> None:
        self._flags = flags
        self._document = document
        self._source = source
        self._by_key = {each.key: each for each in fields(type_)}

    def value(self, field: Field) -> object:
        """None where nobody gave one; a null in a file gives none."""
        if field.name in self._flags:
            return self._flags[field.name]
        return self._document.tree.get(field.key)

    def tell(self, error: FieldError) -> str:
        """The error with the flag that was given, or the place in the file, or, where there is no file, the flag to give."""
        key, bracket, rest = error.field.partition("[")
        field = self._by_key.get(key)
        if field is not None and (field.name in self._flags or not self._source):
            return f"{field.flag}: {error.message}"
        return f"{self._source}, line {self._document.line_of(error.field)}: {key}{bracket}{rest}: {error.message}"


def _document(text: str, source: str) -> Document:
    try:
        documents = read_documents(text)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    if len(documents) != 1:
        raise UserError(f"{source}: expected one document with apiVersion and kind, there are {len(documents)}")
    return documents[0]


def _wrong_in_file(type_: type[Settings], document: Document) -> Iterator[FieldError]:
    """What does not depend on values: the kind, unknown keys, keys given twice."""
    if not document.tree:
        return
    for key, expected in zip(_HEAD, (API_VERSION, type_.KIND), strict=True):
        given = document.tree.get(key)
        if given is None:
            yield required(key, f"this must be {expected}")
        elif given != expected:
            yield not_supported(key, given, (expected,))
    known = [each.key for each in fields(type_)]
    for key in document.tree:
        if key not in known and key not in _HEAD:
            yield forbidden(key, f"unknown field{_nearest(key, (*known, *_HEAD))}")
    for key in document.duplicates:
        yield forbidden(key, "given twice")


def _nearest(key: str, known: Iterable[str]) -> str:
    """A question that names the key that was probably meant, in whatever case it was written."""
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(key.lower().replace("-", "").replace("_", ""), by_lower, 1, 0.6)
    return f": did you mean {by_lower[near[0]]}?" if near else f"; there are: {', '.join(by_lower.values())}"


def _wrong_value(field: Field, raw: object) -> Iterator[FieldError]:
    """Of a list each item that does not fit, else the value itself."""
    inner = get_args(field.type)[0]
    if get_origin(inner) is tuple and isinstance(raw, list | tuple):
        for index, item in enumerate(raw):
            if not isinstance(item, str):
                yield invalid(f"{field.key}[{index}]", item, "must be text")
    elif get_origin(inner) is Literal:
        yield not_supported(field.key, raw, get_args(inner))
    else:
        yield invalid(field.key, raw, f"must be {_KINDS[get_origin(inner) or inner]}{_bounds(field.type)}")


_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list of text"}
_BOUNDS = {"gt": "more than", "ge": "at least", "le": "at most"}


def _bounds(annotation: Any) -> str:
    """The bounds of an annotation in words: ", at least 1, at most 65535"."""
    metas = [each for each in get_args(annotation)[1:] if isinstance(each, msgspec.Meta)]
    found = [
        f", {words} {bound}" for meta in metas for name, words in _BOUNDS.items() if (bound := getattr(meta, name)) is not None
    ]
    found += [", not empty" for meta in metas if meta.min_length]
    return "".join(found + [f", like {meta.pattern}" for meta in metas if meta.pattern])
