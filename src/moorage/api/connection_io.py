"""One connection of a client: HTTP/1.1 by uvicorn, within bounds of size and time.

A connection always has a time by which it must have gone on: its head must be complete, then its body, then its answer must be
taken, then the next request must begin. Being answered is the only state without an end: watches are long. Whoever serves looks
at all connections from time to time (`is_late`) and ends the late ones, so that a request costs no timers of its own.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from moorage.api.auth_certificate_io import certificate_of
from moorage.api.auth_gate import CERTIFICATE
from moorage.api.auth_requests import Certificate


class Bounds(msgspec.Struct, frozen=True):
    """`head_bytes` is the request line and all headers. Times are in seconds. The body has a bound of its own (`exchange_io`).

    `answer` is how long nothing of an answer may be taken; whoever takes less than about 1 KB/s is ended, too.
    """

    head_bytes: int = 64 * 1024
    connections: int = 4096
    head: float = 30.0
    body: float = 60.0
    answer: float = 60.0
    idle: float = 120.0
    """Longer than Go's clients keep an idle connection (90 s), so that they are the ones who close it."""

    @property
    def shortest(self) -> float:
        return min(self.head, self.body, self.answer, self.idle)


class _HeadTooLong(Exception):
    pass


_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"431 Request Header Fields Too Large"
)
"""What Go's server answers."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within `bounds`, and with the certificate of the client in the scope of each request."""

    def __init__(self, *arguments: Any, bounds: Bounds, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bounds = bounds
        self._certificate: Certificate | None = None
        self._head = 0
        self._late_at = self._answer_late_at = math.inf

    def is_late(self, now: float) -> bool:
        return now > self._late_at or now > self._answer_late_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections:
            transport.abort()
            return
        self._late_at = self.loop.time() + self._bounds.head
        tls = transport.get_extra_info("ssl_object")
        peer = tls.getpeercert() if tls is not None else None
        if peer:
            self._certificate = certificate_of(peer, tls.getpeercert(True))

    def on_message_begin(self) -> None:
        self._head = 0
        self._late_at = self.loop.time() + self._bounds.head
        super().on_message_begin()
        if self._certificate is not None:
            self.scope[CERTIFICATE] = self._certificate  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._late_at = self.loop.time() + self._bounds.body
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._late_at = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._late_at = self.loop.time() + self._bounds.idle

    def pause_writing(self) -> None:
        self._answer_late_at = self.loop.time() + self._bounds.answer
        super().pause_writing()

    def resume_writing(self) -> None:
        self._answer_late_at = math.inf
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        if self._head > self._bounds.head_bytes:
            self.transport.write(_TOO_LONG)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _count(self, length: int) -> None:
        self._head += length
        if self._head > self._bounds.head_bytes:
            raise _HeadTooLong
