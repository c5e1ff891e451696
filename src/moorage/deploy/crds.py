"""MetalLB's kinds as CustomResourceDefinitions, with schemas made from our own types of them.

Source: structural schemas of `apiextensions.k8s.io/v1`. What the types do not say (bounds, choices, required fields, columns)
stands in `crd_rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import inspect
from msgspec.structs import fields

from moorage.deploy.common import labels, obj
from moorage.deploy.crd_rules import BOUNDS, COLUMNS, REQUIRED, RULES
from moorage.model.kinds import KINDS, Kind
from moorage.model.metallb import LabelSelector
from moorage.model.wire import ApiType, Tree

GROUP = "metallb.io"


def definitions() -> list[Tree]:
    """One for each kind of `model.kinds` in MetalLB's group."""
    return [_definition(kind) for kind in KINDS if kind.group == GROUP]


def _definition(kind: Kind) -> Tree:
    names = {"kind": kind.kind, "listKind": kind.list_kind, "plural": kind.plural, "singular": kind.singular}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        **({"additionalPrinterColumns": columns} if (columns := _columns(kind)) else {}),
        **({"subresources": {"status": {}}} if "status" in kind.subresources else {}),
        "schema": {"openAPIV3Schema": schema(kind)},
    }
    spec = {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]}
    meta = {"name": kind.resource, "labels": labels()}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", meta, spec=spec)


def _columns(kind: Kind) -> list[Tree]:
    return [
        {"name": name, "jsonPath": path, "type": type_, **({"priority": priority} if priority else {})}
        for name, path, type_, priority in COLUMNS.get(kind.type, ())
    ]


def schema(kind: Kind) -> Tree:
    """Of the whole object. What is in `metadata` is the API server's own business."""
    own = _struct(kind.type, {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}})
    return {**own, "description": own.get("description", f"{kind.kind} of MetalLB.")}


def _struct(type_: type[ApiType], known: Mapping[str, Tree] = MappingProxyType({})) -> Tree:
    """`known` are fields whose schema is not made from their type."""
    info = inspect.type_info(type_)
    assert isinstance(info, inspect.StructType)
    bounds = BOUNDS.get(type_, {})
    properties = {
        name: known[name] if name in known else _of(each.type) | bounds.get(name, {})
        for each in info.fields
        for name in (each.encode_name,)
    }
    rules = [{"rule": rule, "message": message} for rule, message in RULES.get(type_, ())]
    return {
        "type": "object",
        **({"description": text} if (text := _sentence(type_)) else {}),
        **({"required": list(REQUIRED[type_])} if type_ in REQUIRED else {}),
        "properties": properties,
        **({"x-kubernetes-validations": rules} if rules else {}),
    }


def _sentence(type_: type[ApiType]) -> str:
    """What the type says of itself, with the keys that a user knows in place of the names of its fields."""
    keys = {each.name: each.encode_name for each in fields(type_)}
    words = " ".join((type_.__doc__ or "").split())
    return re.sub(r"`(\w+)`", lambda found: f"`{keys.get(found[1], found[1])}`", words)


def _of(type_: Any) -> Tree:
    """Raises TypeError for a type that no schema is known for."""
    match type_:
        case inspect.StrType():
            return {"type": "string"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int64"}
        case inspect.VarTupleType(item_type):
            return {"type": "array", "items": _of(item_type)}
        case inspect.DictType(_, inspect.AnyType()):
            # In these kinds a tree of unknown shape is a selector that is read when it is used.
            return _struct(LabelSelector)
        case inspect.DictType(_, value_type):
            return {"type": "object", "additionalProperties": _of(value_type)}
        case inspect.StructType(cls) if issubclass(cls, ApiType):
            return _struct(cls)
        case inspect.UnionType(types):
            (inner,) = [each for each in types if not isinstance(each, inspect.NoneType)]
            return _of(inner)
    raise TypeError(f"no schema for {type_}")
