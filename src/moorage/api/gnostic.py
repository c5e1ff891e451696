"""A Swagger 2.0 document -> protobuf, in the messages of gnostic (`openapiv2/OpenAPIv2.proto`), as kubectl asks for it.

Each message is a table: name in JSON -> field number and how the value is written. Names without a row are left out, except
`x-...`, which go into the message's vendor extensions as YAML (JSON is YAML).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Writer = Callable[[Any], bytes]
Message = Mapping[str, tuple[int, Writer]]

_EXTENSIONS = ""
"""The row for vendor extensions."""


def encode(value: Mapping[str, Any], message: Message) -> bytes:
    pieces = []
    for name, inner in value.items():
        row = message.get(name)
        if row is not None:
            pieces.append(_repeated(row[0], row[1], inner))
        elif name.startswith("x-") and _EXTENSIONS in message:
            number, write = message[_EXTENSIONS]
            pieces.append(_field(number, write((name, inner))))
    return b"".join(pieces)


def _repeated(number: int, write: Writer, value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join(_field(number, write(each)) for each in value)
    if isinstance(value, bool):
        return _varint(number << 3) + write(value)
    return _field(number, write(value))


def _field(number: int, data: bytes) -> bytes:
    """A field with a length."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def _text(value: str) -> bytes:
    return value.encode()


def _flag(value: bool) -> bytes:
    """A number without a length; `_repeated` knows, since it stands in place of a field with one."""
    return _varint(value)


def _inside(message: Callable[[], Message]) -> Writer:
    return lambda value: encode(value, message())


def _wrapped(number: int, write: Writer) -> Writer:
    """A message with one field."""
    return lambda value: _repeated(number, write, value)


def _named(number: int, write: Writer) -> Writer:
    """A JSON object as a repeated message of name and value."""
    return lambda value: b"".join(
        _field(number, _field(1, name.encode()) + _field(2, write(each))) for name, each in value.items()
    )


def _extension(value: tuple[str, Any]) -> bytes:
    name, content = value
    return _field(1, name.encode()) + _field(2, _field(2, msgspec.json.encode(content)))


def _parameter(value: Mapping[str, Any]) -> bytes:
    """`ParametersItem`: a Parameter that is a body, or one of the others, each of which has a place of its own."""
    if value["in"] == "body":
        return _field(1, _field(1, encode(value, _BODY)))
    number, message = (3, _QUERY) if value["in"] == "query" else (4, _PATH_PARAMETER)
    return _field(1, _field(2, _field(number, encode(value, message))))


_schema = _inside(lambda: _SCHEMA)
_operation = _inside(lambda: _OPERATION)
_response = _inside(lambda: _RESPONSE)

_SCHEMA: Message = {
    "$ref": (1, _text),
    "format": (2, _text),
    "description": (4, _text),
    "required": (19, _text),
    "additionalProperties": (21, _wrapped(1, _schema)),
    "type": (22, _wrapped(1, _text)),
    "items": (23, _wrapped(1, _schema)),
    "properties": (25, _named(1, _schema)),
    _EXTENSIONS: (31, _extension),
}
_BODY: Message = {"name": (2, _text), "in": (3, _text), "required": (4, _flag), "schema": (5, _schema)}
_QUERY: Message = {"in": (2, _text), "name": (4, _text), "type": (6, _text)}
_PATH_PARAMETER: Message = {"required": (1, _flag), "in": (2, _text), "name": (4, _text), "type": (5, _text)}
_RESPONSE: Message = {"description": (1, _text), "schema": (2, _wrapped(1, _schema))}
_OPERATION: Message = {
    "tags": (1, _text),
    "produces": (6, _text),
    "consumes": (7, _text),
    "parameters": (8, _parameter),
    "responses": (9, _named(1, _wrapped(1, _response))),
    _EXTENSIONS: (13, _extension),
}
_PATH: Message = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "patch": (8, _operation),
    "parameters": (9, _parameter),
}
_INFO: Message = {"title": (1, _text), "version": (2, _text)}

DOCUMENT: Message = {
    "swagger": (1, _text),
    "info": (2, _inside(lambda: _INFO)),
    "paths": (8, _named(2, _inside(lambda: _PATH))),
    "definitions": (9, _named(1, _schema)),
}
