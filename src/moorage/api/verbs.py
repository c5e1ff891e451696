"""The verbs of a resource: a request and its target -> calls of `Resources` -> a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from moorage.api.bodies import media_type, parse, read_object
from moorage.api.event_forms import EventForms
from moorage.api.exchange import JSON, Request, Response, Stream, json_document, warning_headers
from moorage.api.forms import Form, choose
from moorage.api.list_options import is_watch, list_options
from moorage.api.options import DeleteBody, delete_options, number, write_options
from moorage.api.pages import check_not_future, list_page
from moorage.api.patch.apply import APPLY_PATCH, read_configuration
from moorage.api.patch.json_patch import apply_json_patch, parse_json_patch
from moorage.api.patch.merge_patch import apply_merge_patch
from moorage.api.patch.strategic import apply_strategic_patch
from moorage.api.protobuf import read_protobuf
from moorage.api.routes import Target, Verb
from moorage.api.shapes import takes_strategic_patch
from moorage.api.status import success, unsupported_media_type
from moorage.api.watches import open_watch
from moorage.manifest.body import Body
from moorage.model.config import TokenRequest
from moorage.model.errors import ApiError
from moorage.model.kinds import PODS, SERVICES, Kind
from moorage.model.meta import Object
from moorage.model.pods import Binding
from moorage.model.ports import Outcome, Record, Resources, WriteOptions
from moorage.model.protobuf import PROTOBUF
from moorage.model.wire import Tree

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

_RETURNED_WHEN_DELETED = (PODS, SERVICES)
"""Kinds whose finished deletion is answered with the last state of the object; the others with a Status, as upstream does."""

_BODIES: Mapping[str, type[Object]] = {"binding": Binding, "token": TokenRequest}
"""What is posted to a subresource."""

Answer = Response | Stream


class Verbs:
    """`clock` gives seconds since the epoch: for ages in tables and the end of watches."""

    def __init__(self, resources: Resources, clock: Callable[[], float]) -> None:
        self._resources = EventForms(resources)
        self._clock = clock
        self._handlers: dict[Verb, Callable[[Request, Target], Awaitable[Answer]]] = {
            Verb.GET: self._get,
            Verb.LIST: self._list,
            Verb.WATCH: self._watch,
            Verb.CREATE: self._create,
            Verb.UPDATE: self._update,
            Verb.PATCH: self._patch,
            Verb.DELETE: self._delete,
            Verb.DELETE_COLLECTION: self._delete_collection,
        }

    async def answer(self, verb: Verb, request: Request, target: Target) -> Answer:
        """Raises ApiError."""
        return await self._handlers[verb](request, target)

    def _form(self, request: Request, kind: Kind) -> Form:
        return choose(kind, request.header(b"accept"), request.query.get("includeObject", ""), self._clock)

    async def _get(self, request: Request, target: Target) -> Answer:
        form, since = self._form(request, target.kind), number(request.query, "resourceVersion")
        if since:
            check_not_future(since, self._resources.revision)
        return Response(200, form.content_type, form.one(self._resources.get(target.kind, target.key)))

    async def _list(self, request: Request, target: Target) -> Answer:
        form, options = self._form(request, target.kind), list_options(request.query)
        return Response(200, form.content_type, form.many(list_page(self._resources, target, options)))

    async def _watch(self, request: Request, target: Target) -> Answer:
        form, options = self._form(request, target.kind), list_options(request.query)
        return open_watch(self._resources, target, options, form, self._clock)

    async def _create(self, request: Request, target: Target) -> Answer:
        options = write_options(request.query, "Create", request.header(b"user-agent"))
        form = self._form(request, target.kind)
        body = await read_object(request, _BODIES.get(target.subresource, target.kind.type))
        options = _with_duplicates(options, body)
        outcome = await self._resources.create(
            target.kind, target.namespace, body.tree, options, target.name, target.subresource
        )
        if target.subresource == "token":
            return Response(201, JSON, (outcome.record.body,))
        if target.subresource:
            return json_document(success(), 201)
        return _written(form, outcome, 201)

    async def _update(self, request: Request, target: Target) -> Answer:
        options = write_options(request.query, "Update", request.header(b"user-agent"))
        form = self._form(request, target.kind)
        body = await read_object(request, target.kind.type)
        options = _with_duplicates(options, body)
        outcome = await self._resources.update(target.kind, target.key, body.tree, options, target.subresource)
        return _written(form, outcome, 201 if outcome.created else 200)

    async def _patch(self, request: Request, target: Target) -> Answer:
        applies = media_type(request) == APPLY_PATCH
        options = write_options(request.query, "Patch", request.header(b"user-agent"), applies)
        form = self._form(request, target.kind)
        if applies:
            body = read_configuration(await request.read_body())
            options = _with_duplicates(options, body)
            outcome = await self._resources.apply(
                target.kind, target.key, body.tree, options, target.subresource, request.admit_new
            )
            return _written(form, outcome, 201 if outcome.created else 200)
        change, duplicates = await _read_patch(request, target.kind)
        options = msgspec.structs.replace(options, duplicate_fields=duplicates)
        outcome = await self._resources.patch(target.kind, target.key, change, options, target.subresource)
        return _written(form, outcome, 200)

    async def _delete(self, request: Request, target: Target) -> Answer:
        form = self._form(request, target.kind)
        options = delete_options(request, await _optional_body(request))
        outcome = await self._resources.delete(target.kind, target.key, options)
        if not outcome.deleted or target.kind in _RETURNED_WHEN_DELETED:
            return _written(form, outcome, 200)
        kind = target.kind
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": _uid(outcome.record)}
        return json_document(success({name: value for name, value in details.items() if value}))

    async def _delete_collection(self, request: Request, target: Target) -> Answer:
        form, selected = self._form(request, target.kind), list_options(request.query)
        options = delete_options(request, await _optional_body(request))
        page = list_page(self._resources, target, selected)
        for record in page.records:
            try:
                await self._resources.delete(target.kind, record.key, options)
            except ApiError as error:
                if error.code != 404:  # somebody else was faster
                    raise
        return Response(200, form.content_type, form.many(page))


def is_watched(request: Request, verb: Verb) -> Verb:
    """A LIST with `watch=true` is a WATCH."""
    return Verb.WATCH if verb is Verb.LIST and is_watch(request.query) else verb


def _written(form: Form, outcome: Outcome, status: int) -> Response:
    return Response(status, form.content_type, form.one(outcome.record), warning_headers(outcome.warnings))


def _with_duplicates(options: WriteOptions, body: Body) -> WriteOptions:
    """Fields that are given twice travel with the options: what they mean depends on `fieldValidation`."""
    return msgspec.structs.replace(options, duplicate_fields=body.duplicates) if body.duplicates else options


async def _read_patch(request: Request, kind: Kind) -> tuple[Callable[[Tree], Tree], tuple[str, ...]]:
    """The change that the body describes, and the fields that it gives twice. Raises ApiError 400, 413, 415."""
    type_ = media_type(request)
    strategic = (STRATEGIC_PATCH,) if takes_strategic_patch(kind) else ()
    spoken = (JSON_PATCH, MERGE_PATCH, *strategic)
    if type_ not in spoken:
        raise unsupported_media_type((*spoken, APPLY_PATCH))
    data = await request.read_body()
    if type_ == JSON_PATCH:
        return partial(apply_json_patch, operations=parse_json_patch(data)), ()
    body = parse(data, JSON)
    if type_ == MERGE_PATCH:
        return partial(apply_merge_patch, patch=body.tree), body.duplicates
    return partial(apply_strategic_patch, patch=body.tree, type_=kind.type), body.duplicates


async def _optional_body(request: Request) -> Tree:
    """DeleteOptions in the body, or an empty tree."""
    data = await request.read_body()
    if not data:
        return {}
    media = media_type(request)
    if media == PROTOBUF:
        return read_protobuf(data, DeleteBody)
    if media != JSON:
        raise unsupported_media_type((JSON, PROTOBUF))
    return parse(data, JSON).tree


def _uid(record: Record) -> str:
    return msgspec.json.decode(record.body, type=Object).metadata.uid
