"""`/openapi/v3`: an index, and one document for each group and version, made from the types of `model.kinds`.

Good enough for kubectl to find out that the server validates fields (`fieldValidation`), for `kubectl explain`, and for
`kubectl apply` to read merge keys. A kind with parts that have no type here does not offer the strategic merge patch in its
document (the server takes it all the same): kubectl then uses the merge keys it knows itself, which are complete.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.api.discovery import VERSION
from moorage.api.exchange import JSON, YAML, Response, json_document
from moorage.api.shapes import Field, fully_typed, shape, takes_strategic_patch, without_none
from moorage.model.kinds import KINDS, Kind
from moorage.model.wire import ApiType, Tree

INDEX = "/openapi/v3"

V2 = "/openapi/v2"
"""Clients that find a kind in no document of version 3 look here, and want an answer, though not more than that."""

_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is asked for is no media type by RFC 9110 (`@`), so the answer is labelled with one that is, as upstream does."""

_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json")
_STRATEGIC_TYPE = "application/strategic-merge-patch+json"

_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "get": (),
    "list": ("fieldSelector", "labelSelector", "resourceVersion", "resourceVersionMatch", "timeoutSeconds", "watch"),
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
    "deletecollection": ("dryRun", "fieldSelector", "gracePeriodSeconds", "labelSelector", "propagationPolicy"),
}


def answer(path: str, accept: str, query: Mapping[str, str]) -> Response | None:
    """The index or a document; None for other paths. A document asked for by its hash may be kept for good."""
    if path == INDEX:
        return json_document(_index())
    if path == V2:
        return _version_2(accept)
    body = _documents().get(path.removeprefix(f"{INDEX}/"))
    if body is None:
        return None
    fixed = query.get("hash") == _hash(body)
    headers = ((b"cache-control", b"public, immutable, max-age=31536000"),) if fixed else ()
    return Response(200, JSON, (body,), headers)


@functools.cache
def _documents() -> Mapping[str, bytes]:
    """Path below the index -> document."""
    groups = dict.fromkeys((kind.group, kind.version) for kind in KINDS)
    return {
        (f"apis/{group}/{version}" if group else f"api/{version}"): msgspec.json.encode(document(group, version))
        for group, version in groups
    }


def _index() -> Tree:
    return {"paths": {name: {"serverRelativeURL": f"{INDEX}/{name}?hash={_hash(body)}"} for name, body in _documents().items()}}


def _version_2(accept: str) -> Response:
    """A Swagger 2.0 document that describes nothing, in JSON, or in protobuf (gnostic's `openapi.v2.Document`) for kubectl."""
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    if _V2_PROTOBUF not in accept:
        return json_document({"swagger": "2.0", "info": info, "paths": {}})
    encoded = _bytes_field(1, info["title"].encode()) + _bytes_field(2, info["version"].encode())
    return Response(200, _V2_CONTENT_TYPE, (_bytes_field(1, b"2.0") + _bytes_field(2, encoded),))


def _bytes_field(number: int, value: bytes) -> bytes:
    """A protobuf field with a length below 128."""
    return bytes((number << 3 | 2, len(value))) + value


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest().upper()


def document(group: str, version: str) -> Tree:
    """The OpenAPI 3.0 document of one group and version."""
    paths: Tree = {}
    schemas: Tree = {}
    for kind in KINDS:
        if (kind.group, kind.version) == (group, version):
            paths |= _paths(kind)
            _add_schemas(kind.type, kind, schemas)
            schemas[_name(kind.type, kind)]["x-kubernetes-group-version-kind"] = [_gvk(kind)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _paths(kind: Kind) -> Tree:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
    one = f"{collection}/{{name}}"
    paths = {
        collection: _operations(kind, collection, {"get": "list", "post": "post", "delete": "deletecollection"}),
        one: _operations(kind, one, {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}),
    }
    if kind.namespaced:
        paths[f"{prefix}/{kind.plural}"] = _operations(kind, f"{prefix}/{kind.plural}", {"get": "list"})
    if "status" in kind.subresources:
        paths[f"{one}/status"] = _operations(kind, f"{one}/status", {"get": "get", "put": "put", "patch": "patch"})
    return paths


def _operations(kind: Kind, path: str, actions: Mapping[str, str]) -> Tree:
    named = [name for name in ("namespace", "name") if f"{{{name}}}" in path]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    operations: Tree = {method: _operation(kind, action) for method, action in actions.items()}
    if parameters:
        operations["parameters"] = parameters
    return operations


def _operation(kind: Kind, action: str) -> Tree:
    schema = {"$ref": f"#/components/schemas/{_name(kind.type, kind)}"}
    operation: Tree = {
        "tags": [f"{kind.group or 'core'}_{kind.version}"],
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PARAMETERS[action]],
        "responses": {"200": {"description": "OK", "content": {JSON: {"schema": schema}, YAML: {"schema": schema}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
    if action in ("post", "put"):
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": schema}}}
    elif action == "patch":
        offered = takes_strategic_patch(kind) and fully_typed(kind.type)
        types = (*_PATCH_TYPES, _STRATEGIC_TYPE) if offered else _PATCH_TYPES
        operation["requestBody"] = {"required": True, "content": {each: {"schema": {"type": "object"}} for each in types}}
    return operation


def _gvk(kind: Kind) -> Tree:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _name(type_: type[ApiType], kind: Kind) -> str:
    """The name of a schema, in upstream's manner: the home of the type, its version, its name."""
    if type_.__module__.endswith(".meta"):
        return f"io.k8s.apimachinery.pkg.apis.meta.v1.{type_.__name__}"
    home = f"io.k8s.api.{(kind.group or 'core').removesuffix('.k8s.io')}"
    return f"{home}.{kind.version}.{type_.__name__}"


def _add_schemas(type_: type[ApiType], kind: Kind, schemas: Tree) -> None:
    """The schema of a type and of all types inside it."""
    name = _name(type_, kind)
    if name in schemas:
        return
    fields = shape(type_)
    schemas[name] = {
        "description": " ".join((inspect.getdoc(type_) or type_.__name__).split()),
        "type": "object",
        "properties": {each.name: _property(each, kind) for each in fields.values()},
    }
    for field in fields.values():
        if field.type is not None:
            _add_schemas(field.type, kind, schemas)


def _property(field: Field, kind: Kind) -> Tree:
    schema = _schema(field.hint, kind)
    if field.strategy is not None:
        schema["x-kubernetes-patch-strategy"] = "merge,retainKeys" if field.strategy.retain_keys else "merge"
        schema["x-kubernetes-list-type"] = "map" if field.strategy.key else "set"
        if field.strategy.key:
            schema["x-kubernetes-patch-merge-key"] = field.strategy.key
            schema["x-kubernetes-list-map-keys"] = [field.strategy.key]
    return schema


_SCALARS: Mapping[Any, Tree] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
}


def _schema(hint: Any, kind: Kind) -> Tree:
    alternatives = without_none(hint)
    if set(alternatives) == {int, str}:
        return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    inner = alternatives[0]
    if inner in _SCALARS:
        return dict(_SCALARS[inner])
    if isinstance(inner, type) and issubclass(inner, ApiType):
        return {"allOf": [{"$ref": f"#/components/schemas/{_name(inner, kind)}"}]}
    arguments = typing.get_args(inner)
    if typing.get_origin(inner) is tuple:
        return {"type": "array", "items": _schema(arguments[0], kind)}
    if typing.get_origin(inner) is dict and arguments[1] is not Any:
        return {"type": "object", "additionalProperties": _schema(arguments[1], kind)}
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
