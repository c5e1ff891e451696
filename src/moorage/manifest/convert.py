"""A tree (decoded JSON or YAML) <-> a typed object of `model.kinds`.

decode: tree -> object, plus the paths of fields that its type does not know. JSON nulls count as absent: Go clients write
`creationTimestamp: null`. The usual tree is judged by msgspec alone, through a twin of the type that refuses unknown fields;
it is walked in Python only when that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Any, NoReturn, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from moorage.manifest.times import canonical_times
from moorage.model.errors import bad_request
from moorage.model.kinds import Kind
from moorage.model.meta import Object
from moorage.model.wire import Tree

_encoder = msgspec.json.Encoder()

_DROPPED = frozenset({"metadata.selfLink"})
"""Fields that upstream knows and no longer writes: accepted, not kept."""


class Decoded(msgspec.Struct, frozen=True):
    """`unknown_fields` are paths such as `spec.ports[0].prot`, in the order of the text."""

    obj: Object
    unknown_fields: tuple[str, ...] = ()


class _Schema(msgspec.Struct):
    """What a struct type allows: every wire name; those that hold structs; those that hold a map of strings."""

    names: frozenset[str] = frozenset()
    structs: tuple[tuple[str, _Schema], ...] = ()
    lists: tuple[tuple[str, _Schema], ...] = ()
    maps: tuple[str, ...] = ()


def decode(kind: Kind, tree: Tree) -> Decoded:
    """Raises ApiError 400 where the tree is of another kind or version, or a field has the wrong JSON type."""
    _check_kind(kind, tree)
    tree = _with_raw_fields(canonical_times(tree, kind.type))
    try:
        msgspec.convert(tree, _strict(kind.type))
        return Decoded(msgspec.convert(tree, kind.type))
    except (msgspec.ValidationError, RecursionError):
        return _decode_slowly(kind, tree)


def _with_raw_fields(tree: Tree) -> Tree:
    """The tree with the sets of `metadata.managedFields` as raw JSON, which is how they are kept."""
    metadata = tree.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(entries, list):
        return tree
    raw = [
        {**each, "fieldsV1": msgspec.Raw(_encoder.encode(each["fieldsV1"]))}
        if isinstance(each, dict) and each.get("fieldsV1") is not None
        else each
        for each in entries
    ]
    return {**tree, "metadata": {**metadata, "managedFields": raw}}


def _decode_slowly(kind: Kind, tree: Tree) -> Decoded:
    """The same for trees with nulls, unknown fields or errors."""
    schema = _schema(kind.type)
    try:
        obj = msgspec.convert(_strip(tree, schema), kind.type)
    except (msgspec.ValidationError, RecursionError) as error:
        _refuse(kind, error)
    return Decoded(obj, tuple(path for path in _unknown(tree, schema, "") if path not in _DROPPED))


def encode(obj: Object) -> bytes:
    """Compact JSON with Kubernetes' field names; fields at their default are left out."""
    return _encoder.encode(obj)


def load(kind: Kind, body: bytes) -> Object:
    """An object from what `encode` wrote. Fields of a newer version of the type are dropped."""
    return _decoder(kind.type).decode(body)


def to_tree(body: bytes) -> Tree:
    """The JSON of a stored object as a tree, for patches."""
    tree: Tree = msgspec.json.decode(body)
    return tree


@cache
def _decoder(type_: type[Object]) -> msgspec.json.Decoder[Object]:
    return msgspec.json.Decoder(type_)


def _check_kind(kind: Kind, tree: Tree) -> None:
    """An absent `kind` or `apiVersion` is taken from the URL, as upstream does."""
    version, name = tree.get("apiVersion") or kind.api_version, tree.get("kind") or kind.kind
    if version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    if name != kind.kind:
        raise bad_request(f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}: the kind does not match')


_JSON_NAMES = {"str": "string", "int": "number", "float": "number"}


def _refuse(kind: Kind, error: Exception) -> NoReturn:
    """msgspec's finding in the words of Go's JSON decoder, which users of kubectl know."""
    match = re.fullmatch(r"Expected `(.+)`, got `(\w+)`(?: - at `(?:key in )?\$\.?(.*)`)?", str(error))
    if match:
        wanted, got, path = match[1], _JSON_NAMES.get(match[2], match[2]), match[3]
        wanted = " or ".join(_JSON_NAMES.get(each, each) for each in wanted.split(" | ") if each != "null")
        text = f"json: cannot unmarshal {got} into field {path or kind.kind} of type {wanted}"
    else:
        text = f"json: {error}"
    message = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {text}'
    raise bad_request(message) from error


@cache
def _strict(type_: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A twin of the type, all the way down, that refuses unknown fields. Only for checking: its values are thrown away."""
    fields = [
        (field.name, _strict_annotation(field.type), msgspec.field(default=None, name=field.encode_name))
        for field in msgspec.structs.fields(type_)
    ]
    return msgspec.defstruct(type_.__name__, fields, forbid_unknown_fields=True)


def _strict_annotation(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _strict(annotation)
    arguments = tuple(map(_strict_annotation, get_args(annotation)))
    if get_origin(annotation) is tuple:
        return tuple.__class_getitem__(arguments)
    if get_origin(annotation) in (Union, UnionType):
        return reduce(or_, arguments)
    return annotation


@cache
def _schema(type_: type[msgspec.Struct]) -> _Schema:
    structs, lists, maps, names = [], [], [], set()
    for field in msgspec.structs.fields(type_):
        names.add(field.encode_name)
        info = inspect.type_info(field.type)
        options = info.types if isinstance(info, inspect.UnionType) else (info,)
        for option in options:
            if isinstance(option, inspect.StructType):
                structs.append((field.encode_name, _schema(option.cls)))
            elif isinstance(option, inspect.VarTupleType) and isinstance(option.item_type, inspect.StructType):
                lists.append((field.encode_name, _schema(option.item_type.cls)))
            elif isinstance(option, inspect.DictType) and isinstance(option.value_type, inspect.StrType):
                maps.append(field.encode_name)
    return _Schema(frozenset(names), tuple(structs), tuple(lists), tuple(maps))


def _strip(tree: Tree, schema: _Schema) -> Tree:
    """The tree without nulls. A null in a map of strings is an empty string, as Go decodes it."""
    stripped = {name: value for name, value in tree.items() if value is not None}
    for name, inner in schema.structs:
        if isinstance(stripped.get(name), dict):
            stripped[name] = _strip(stripped[name], inner)
    for name, inner in schema.lists:
        if isinstance(stripped.get(name), list):
            stripped[name] = [_strip(item, inner) if isinstance(item, dict) else item for item in stripped[name]]
    for name in schema.maps:
        if isinstance(stripped.get(name), dict):
            stripped[name] = {key: "" if value is None else value for key, value in stripped[name].items()}
    return stripped


def _unknown(tree: Mapping[str, Any], schema: _Schema, prefix: str) -> Iterator[str]:
    """Paths of unknown fields, parents before children."""
    structs, lists = dict(schema.structs), dict(schema.lists)
    for name, value in tree.items():
        if name not in schema.names:
            yield f"{prefix}{name}"
        elif name in structs and isinstance(value, dict):
            yield from _unknown(value, structs[name], f"{prefix}{name}.")
        elif name in lists and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _unknown(item, lists[name], f"{prefix}{name}[{index}].")
