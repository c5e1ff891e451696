"""Bytes of HTTP/1.1 connections, in the order in which they passed -> the conversation that they carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools
import msgspec

from tests.recorded.spoken import Piece, Spoken

ASKED_HEADERS = frozenset({"user-agent", "accept", "content-type"})
ANSWER_HEADERS = frozenset({"content-type", "transfer-encoding", "retry-after", "warning"})
"""What is kept of headers; anything else is of that one server, of that one day, or secret."""


class Passed(msgspec.Struct, frozen=True):
    """Bytes that passed on a connection in one direction."""

    connection: int
    from_client: bool
    data: bytes


def conversation(passed: Iterable[Passed]) -> tuple[Spoken, ...]:
    """In the order of the requests. A client sends the next request of a connection when it has read the answer."""
    lines: dict[int, _Line] = {}
    for moment, each in enumerate(passed, start=1):
        lines.setdefault(each.connection, _Line()).take(moment, each)
    return tuple(sorted((spoken for line in lines.values() for spoken in line.spoken()), key=lambda one: one.asked))


class _Line:
    """One connection."""

    def __init__(self) -> None:
        self._requests, self._answers = _Requests(), _Answers()

    def take(self, moment: int, passed: Passed) -> None:
        side = self._requests if passed.from_client else self._answers
        side.take(moment, passed.data)

    def spoken(self) -> Iterable[Spoken]:
        answers = self._answers.found
        for number, asked in enumerate(self._requests.found):
            yield Spoken(**asked, **(answers[number] if number < len(answers) else {}))


class _Side:
    """Callbacks of a parser. `found` has the fields of a `Spoken` for each message."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.moment = 0
        self.headers: dict[str, str] = {}
        self.data = b""

    def on_message_begin(self) -> None:
        self.headers, self.data = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.data += body

    def kept(self, names: frozenset[str]) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name in names}


class _Requests(_Side):
    def __init__(self) -> None:
        super().__init__()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def take(self, moment: int, data: bytes) -> None:
        self.moment = moment
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        split = urlsplit(self._url.decode())
        self._url = b""
        asked = {
            "asked": self.moment,
            "method": self._parser.get_method().decode(),
            "path": unquote(split.path),
            "query": dict(parse_qsl(split.query)),
            "headers": self.kept(ASKED_HEADERS),
            "body": self.data.decode(),
        }
        self.found.append(asked)


class _Answers(_Side):
    """A chunk is a piece, and so is a body that is not in chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._parser = httptools.HttpResponseParser(self)

    def take(self, moment: int, data: bytes) -> None:
        self.moment = moment
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status, headers = self._parser.get_status_code(), self.kept(ANSWER_HEADERS)
        self.found.append({"status": status, "answer_headers": headers, "pieces": ()})

    def on_chunk_complete(self) -> None:
        self._end_piece()

    def on_message_complete(self) -> None:
        self._end_piece()
        self.found[-1]["ended"] = self.moment

    def _end_piece(self) -> None:
        if self.data:
            self.found[-1]["pieces"] += (Piece(self.moment, self.data.decode("latin-1")),)
        self.data = b""
