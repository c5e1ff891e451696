"""The forms in which objects are given: whole, metadata only, or as rows of a table; and which one an `Accept` header asks for.

A form turns stored records into bytes for a single object, for a list, and for an event of a watch. The whole form copies
stored bytes; nothing is decoded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import yaml

from moorage.api.exchange import JSON, YAML
from moorage.api.status import not_acceptable
from moorage.api.tables.columns import LAYOUTS
from moorage.api.tables.layout import Column
from moorage.model.kinds import Kind
from moorage.model.meta import Object
from moorage.model.ports import Record
from moorage.model.wire import Tree

META_VERSION = "meta.k8s.io/v1"
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class Page(msgspec.Struct, frozen=True):
    """A list, or a part of one: `token` leads to the rest, `remaining` counts it where that is known."""

    records: Sequence[Record]
    revision: int
    token: str = ""
    remaining: int | None = None

    @property
    def metadata(self) -> Tree:
        """`metav1.ListMeta`."""
        metadata: Tree = {"resourceVersion": str(self.revision)}
        if self.token:
            metadata["continue"] = self.token
        if self.remaining is not None:
            metadata["remainingItemCount"] = self.remaining
        return metadata


class Form(Protocol):
    """`content_type` is what an answer in this form is labelled with."""

    content_type: str

    def one(self, record: Record) -> Sequence[bytes]: ...

    def many(self, page: Page) -> Sequence[bytes]: ...

    def in_event(self, record: Record) -> bytes:
        """The object of a watch event."""
        ...

    def bookmark(self, revision: int, annotations: Mapping[str, str]) -> bytes:
        """The object of a BOOKMARK event."""
        ...


class Whole:
    """Objects as they are stored."""

    content_type = JSON

    def __init__(self, kind: Kind) -> None:
        self._head = msgspec.json.encode({"kind": kind.list_kind, "apiVersion": kind.api_version})[:-1]
        self._kind = kind

    def one(self, record: Record) -> Sequence[bytes]:
        return (record.body,)

    def many(self, page: Page) -> Sequence[bytes]:
        pieces = [b'%b,"metadata":%b,"items":[' % (self._head, msgspec.json.encode(page.metadata))]
        for record in page.records:
            pieces += (record.body, b",")
        if page.records:
            pieces.pop()
        pieces.append(b"]}")
        return pieces

    def in_event(self, record: Record) -> bytes:
        return record.body

    def bookmark(self, revision: int, annotations: Mapping[str, str]) -> bytes:
        metadata = _bookmark_metadata(revision, annotations)
        return msgspec.json.encode({"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata})


class Metadata:
    """`PartialObjectMetadata`: all that a cache of names and labels needs."""

    content_type = f"{JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

    def one(self, record: Record) -> Sequence[bytes]:
        return (self.in_event(record),)

    def many(self, page: Page) -> Sequence[bytes]:
        value = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": META_VERSION,
            "metadata": page.metadata,
            "items": [_partial(record) for record in page.records],
        }
        return (msgspec.json.encode(value),)

    def in_event(self, record: Record) -> bytes:
        return msgspec.json.encode(_partial(record))

    def bookmark(self, revision: int, annotations: Mapping[str, str]) -> bytes:
        metadata = _bookmark_metadata(revision, annotations)
        return msgspec.json.encode({"kind": "PartialObjectMetadata", "apiVersion": META_VERSION, "metadata": metadata})


class Table:
    """`Table`: the rows that `kubectl get` prints. The columns are named in the first event of a watch only, as upstream does.

    `include` says what each row carries of its object: None, Metadata or Object.
    """

    content_type = f"{JSON};as=Table;v=v1;g=meta.k8s.io"

    def __init__(self, kind: Kind, include: str, clock: Callable[[], float]) -> None:
        self._layout = LAYOUTS[kind.type]
        self._decoder = _decoder(kind.type)
        self._include = include
        self._clock = clock
        self._named = False

    def one(self, record: Record) -> Sequence[bytes]:
        return (msgspec.json.encode(self._table(Page((record,), record.revision))),)

    def many(self, page: Page) -> Sequence[bytes]:
        return (msgspec.json.encode(self._table(page)),)

    def in_event(self, record: Record) -> bytes:
        table = self._table(Page((record,), record.revision), columns=not self._named)
        self._named = True
        return msgspec.json.encode(table)

    def bookmark(self, revision: int, annotations: Mapping[str, str]) -> bytes:
        table = self._table(Page((), revision), columns=False)
        table["metadata"] = _bookmark_metadata(revision, annotations)
        return msgspec.json.encode(table)

    def _table(self, page: Page, columns: bool = True) -> Tree:
        return {
            "kind": "Table",
            "apiVersion": META_VERSION,
            "metadata": page.metadata,
            "columnDefinitions": [_column(each) for each in self._layout.columns] if columns else [],
            "rows": [self._row(record) for record in page.records],
        }

    def _row(self, record: Record) -> Tree:
        row: Tree = {"cells": self._layout.cells(self._decoder.decode(record.body), self._clock())}
        if self._include == "Metadata":
            row["object"] = _partial(record)
        elif self._include == "Object":
            row["object"] = msgspec.Raw(record.body)
        return row


class Yaml:
    """Any other form's answer, written as YAML. Watches have no such form."""

    content_type = YAML

    def __init__(self, form: Form) -> None:
        self._form = form

    def one(self, record: Record) -> Sequence[bytes]:
        return (_yaml(self._form.one(record)),)

    def many(self, page: Page) -> Sequence[bytes]:
        return (_yaml(self._form.many(page)),)

    def in_event(self, record: Record) -> bytes:
        raise not_acceptable((JSON,))

    def bookmark(self, revision: int, annotations: Mapping[str, str]) -> bytes:
        raise not_acceptable((JSON,))


def _yaml(body: Sequence[bytes]) -> bytes:
    text: str = yaml.safe_dump(msgspec.json.decode(b"".join(body)), default_flow_style=False, allow_unicode=True)
    return text.encode()


class _Head(msgspec.Struct):
    metadata: msgspec.Raw


_heads = msgspec.json.Decoder(_Head)


@functools.cache
def _decoder(type_: type[Object]) -> msgspec.json.Decoder[Object]:
    return msgspec.json.Decoder(type_)


def _partial(record: Record) -> Tree:
    return {"kind": "PartialObjectMetadata", "apiVersion": META_VERSION, "metadata": _heads.decode(record.body).metadata}


def _bookmark_metadata(revision: int, annotations: Mapping[str, str]) -> Tree:
    metadata: Tree = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return metadata


def _column(column: Column) -> Tree:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or f"{column.name} of the object.",
        "priority": column.priority,
    }


class Accepted(msgspec.Struct, frozen=True):
    """One entry of an `Accept` header: a media type and its parameters, in the order of preference."""

    type: str
    parameters: Mapping[str, str] = {}


def parse_accept(header: str) -> list[Accepted]:
    """The entries, most wanted first (RFC 9110 section 12.5.1); nothing given accepts everything."""
    entries = []
    for entry in header.split(","):
        type_, *rest = (each.strip() for each in entry.split(";"))
        parameters = dict(each.partition("=")[::2] for each in rest if "=" in each)
        if type_:
            entries.append((_quality(parameters), Accepted(type_.lower(), parameters)))
    entries.sort(key=lambda each: -each[0])
    return [each for quality, each in entries if quality > 0] or [Accepted("*/*")]


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0


_JSON_TYPES = (JSON, "application/*", "*/*")


def choose(kind: Kind, accept: str, include: str, clock: Callable[[], float]) -> Form:
    """The first form of the header that is spoken here. Raises ApiError 406 where there is none."""
    if accept in ("", JSON):
        return _whole(kind)
    for each in parse_accept(accept):
        if each.type not in (*_JSON_TYPES, YAML):
            continue
        form = _as(kind, each.parameters, include, clock)
        if form is not None:
            return Yaml(form) if each.type == YAML else form
    raise not_acceptable((JSON, YAML))


def _as(kind: Kind, parameters: Mapping[str, str], include: str, clock: Callable[[], float]) -> Form | None:
    wanted = parameters.get("as")
    if not wanted:
        return _whole(kind)
    if (parameters.get("g"), parameters.get("v")) != ("meta.k8s.io", "v1"):
        return None
    if wanted == "Table":
        return Table(kind, include or "Metadata", clock)
    return Metadata() if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList") else None


@functools.cache
def _whole(kind: Kind) -> Whole:
    return Whole(kind)
