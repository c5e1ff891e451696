"""API types -> schemas of OpenAPI 3.0, with what clients need besides: descriptions, merge keys, required fields."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from moorage.api.descriptions import describe
from moorage.api.shapes import Field, shape
from moorage.model.kinds import Kind
from moorage.model.wire import ApiType, Tree, without_none

REFERENCE = "#/components/schemas/"


def gvk(kind: Kind) -> Tree:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def reference(name: str) -> Tree:
    return {"$ref": f"{REFERENCE}{name}"}


def schema_name(type_: type[ApiType], kind: Kind) -> str:
    """The name of a schema, in upstream's manner: the home of the type, its version, its name."""
    if type_.__module__.endswith(".meta"):
        return f"io.k8s.apimachinery.pkg.apis.meta.v1.{type_.__name__}"
    home = f"io.k8s.api.{(kind.group or 'core').removesuffix('.k8s.io')}"
    return f"{home}.{kind.version}.{type_.__name__}"


def add_kind(kind: Kind, schemas: Tree) -> None:
    """The schemas of a kind, of its list, and of all types inside."""
    add_schemas(kind.type, kind, schemas)
    name = schema_name(kind.type, kind)
    schemas[name]["x-kubernetes-group-version-kind"] = [gvk(kind)]
    text, number = _SCALARS[str], _SCALARS[int]
    metadata = {"resourceVersion": text, "continue": text, "remainingItemCount": number}
    schemas[list_name(kind)] = {
        "description": f"A list of {kind.kind} objects, or a part of one.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": text,
            "kind": text,
            "metadata": {"type": "object", "properties": metadata},
            "items": {"type": "array", "items": reference(name)},
        },
        "x-kubernetes-group-version-kind": [{**gvk(kind), "kind": kind.list_kind}],
    }


def list_name(kind: Kind) -> str:
    return f"{schema_name(kind.type, kind)}List"


def add_schemas(type_: type[ApiType], kind: Kind, schemas: Tree) -> None:
    """The schema of a type and of all types inside it."""
    name = schema_name(type_, kind)
    if name in schemas:
        return
    fields, known = shape(type_), describe(type_)
    schemas[name] = {
        "description": known.text,
        "type": "object",
        "properties": {each.name: _property(each, kind, known.fields.get(each.name, "")) for each in fields.values()},
    }
    if known.required:
        schemas[name]["required"] = list(known.required)
    for field in fields.values():
        if field.type is not None:
            add_schemas(field.type, kind, schemas)


def _property(field: Field, kind: Kind, description: str) -> Tree:
    schema = _schema(field.hint, kind)
    if description:
        schema = {"description": description, **schema}
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
        return {"allOf": [reference(schema_name(inner, kind))]}
    arguments = typing.get_args(inner)
    if typing.get_origin(inner) is tuple:
        return {"type": "array", "items": _schema(arguments[0], kind)}
    if typing.get_origin(inner) is dict and arguments[1] is not Any:
        return {"type": "object", "additionalProperties": _schema(arguments[1], kind)}
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
