"""The body of a write: bytes and their media type -> a tree, bounded in depth. JSON and YAML; protobuf for a few kinds."""

from __future__ import annotations

from typing import Any

from moorage.api.exchange import JSON, YAML, Request
from moorage.api.protobuf import is_readable, read_protobuf
from moorage.api.status import unsupported_media_type
from moorage.manifest.body import Body, read_body
from moorage.manifest.read import read_documents
from moorage.model.errors import ApiError, UserError, bad_request
from moorage.model.meta import Object
from moorage.model.protobuf import PROTOBUF

MAX_DEPTH = 100
"""Levels of nesting in a body; no API type comes near."""

_NO_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")


def media_type(request: Request) -> str:
    """The `Content-Type` without its parameters; JSON where none is given, as upstream assumes."""
    return request.header(b"content-type").partition(";")[0].strip().lower() or JSON


async def read_object(request: Request, type_: type[Object]) -> Body:
    """The object in the body of a POST or PUT, which the gate has judged.

    Raises ApiError 400 (no object of that type), 403 (not for this user), 413 (too long), 415 (a media type not spoken).
    """
    media = media_type(request)
    spoken = (JSON, YAML, PROTOBUF) if is_readable(type_) else (JSON, YAML)
    if media not in spoken:
        raise unsupported_media_type(spoken)
    data = await request.read_body()
    try:
        body = Body(read_protobuf(data, type_)) if media == PROTOBUF else parse(data, media)
    except ApiError as error:
        what = f"the object provided is unrecognized (must be of type {type_.__name__})"
        raise bad_request(f"{what}: {error.message} ({_summary(data)})") from error
    request.admit(body.tree)
    return body


def parse(data: bytes, type_: str) -> Body:
    """Raises ApiError 400 where the bytes are no object in that media type, or nest too deeply."""
    body = _parse_yaml(data) if type_ == YAML else read_body(data)
    if too_deep(data, body.tree):
        raise bad_request(f"nested more than {MAX_DEPTH} levels deep")
    return body


def _parse_yaml(data: bytes) -> Body:
    try:
        documents = read_documents(data.decode())
    except (UserError, UnicodeDecodeError) as error:
        raise bad_request(f"couldn't get version/kind; yaml parse error: {error}") from error
    if len(documents) != 1:
        raise bad_request(f"expected one object, found {len(documents)}")
    return Body(documents[0].tree, documents[0].duplicates)


def too_deep(data: bytes, value: Any) -> bool:
    """Whether a decoded document nests more than MAX_DEPTH levels.

    Judged on the text first: with everything but brackets removed, each pass takes the innermost pairs away. Only a text that
    resists (brackets inside strings, YAML) is judged by walking the value.
    """
    brackets = data.translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return _deeper_than(value, MAX_DEPTH)


def _deeper_than(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _summary(data: bytes) -> str:
    """The beginning of a body in a message: as it is where it looks like JSON, else in hexadecimal, as upstream shows it."""
    if not data:
        return "<empty>"
    more = " ..." if len(data) > 30 else ""
    shown = data[:30].decode(errors="replace") if data.startswith(b"{") else data[:30].hex()
    return shown + more
