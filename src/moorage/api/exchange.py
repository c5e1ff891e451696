"""One HTTP exchange as values: what was asked, what is answered. Reading and sending them is `exchange_io`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

import msgspec

from moorage.model.wire import Tree

JSON = "application/json"
YAML = "application/yaml"
TEXT = "text/plain; charset=utf-8"


def _anything(tree: Tree) -> None:
    """Admits every object."""


class Request(msgspec.Struct):
    """`headers` have lower-case names. `query` keeps the first value of a repeated parameter, as upstream reads them.

    `read_body` gives the whole body, or raises ApiError 413 as soon as it is too long. `admit` judges the object that it
    holds: it raises ApiError 403 where whoever asks may not write such a one.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    read_body: Callable[[], Awaitable[bytes]]
    admit: Callable[[Tree], None] = _anything
    admit_new: Callable[[Tree], None] = _anything

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


class Response(msgspec.Struct, frozen=True):
    """`body` is sent piece by piece, so that a slow client never makes the server hold a whole list for it."""

    status: int
    content_type: str
    body: Sequence[bytes]
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Stream(msgspec.Struct, frozen=True):
    """An answer without a known end. Each piece is sent at once; `close` is called at the end, whatever it was."""

    content_type: str
    pieces: AsyncGenerator[bytes, None]
    close: Callable[[], None]


def text(body: str, status: int = 200) -> Response:
    return Response(status, TEXT, (body.encode(),))


def json_document(value: object, status: int = 200) -> Response:
    return Response(status, JSON, (msgspec.json.encode(value),))


def warning_headers(warnings: Sequence[str]) -> tuple[tuple[bytes, bytes], ...]:
    """RFC 7234 section 5.5 with code 299 and no agent, as KEP-1693 has it."""
    return tuple((b"warning", b'299 - "%s"' % _quoted(each)) for each in warnings)


def _quoted(message: str) -> bytes:
    printable = "".join(each if each.isprintable() else " " for each in message)
    return printable.replace("\\", "\\\\").replace('"', '\\"').encode()
