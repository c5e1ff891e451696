"""An object or options in Kubernetes' protobuf encoding -> the same tree that its JSON would give. Only read, never written.

Typed clients of client-go write so by themselves (`gentype`, "prefers protobuf"), kubectl's `create` too. They take JSON for
an answer.
"""

from __future__ import annotations

import msgspec

from moorage.api.protobuf_numbers import NUMBERS
from moorage.model import protobuf_numbers
from moorage.model.errors import bad_request
from moorage.model.protobuf import MAGIC, Encoding, opened
from moorage.model.wire import ApiType, Tree

_ENCODING = Encoding({**protobuf_numbers.NUMBERS, **NUMBERS})


def is_readable(type_: type[ApiType]) -> bool:
    """Whether objects of this type can be read from protobuf."""
    return _ENCODING.knows(type_)


def read_protobuf(data: bytes, type_: type[ApiType]) -> Tree:
    """Raises ApiError 400 where the bytes are no object in this encoding. The owners of fields are left out, and a write that
    leaves them out keeps them.
    """
    if not data.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = opened(data)
        tree: Tree = msgspec.json.decode(msgspec.json.encode(_ENCODING.read(envelope.raw, type_)))
    except ValueError as error:
        raise bad_request(f"protobuf cannot be decoded: {error}") from error
    tree.get("metadata", {}).pop("managedFields", None)
    for name, value in (("apiVersion", envelope.api_version), ("kind", envelope.kind)):
        if value:
            tree[name] = value
    return tree
