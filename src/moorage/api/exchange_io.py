"""HTTP exchanges over ASGI: reads a request's head and bounded body, sends a response or a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

from moorage.api.exchange import Request, Response, Stream
from moorage.model.errors import ApiError, bad_request

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The limit of kube-apiserver for the body of a request."""

_PIECE_BYTES = 64 * 1024
"""About what is handed to the transport at once; it then waits until the client has taken most of it."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):
    """The client closed its connection before its request was complete: nobody is left to be answered."""


def request(scope: Message, receive: Receive) -> Request:
    """Raises ApiError 400 for a query that is no UTF-8."""
    headers: dict[bytes, bytes] = dict(scope["headers"])

    async def body() -> bytes:
        return await _read(headers, receive)

    return Request(scope["method"], scope["path"], _query(scope["query_string"]), headers, body)


def _query(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise bad_request(f"the query of the URL cannot be read: {error}") from error
    return dict(reversed(pairs))


async def _read(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    if int(headers.get(b"content-length", b"0")) > MAX_BODY_BYTES:
        raise _too_large()
    pieces = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        pieces.append(piece)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large() -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY_BYTES}")


async def send_response(response: Response, send: Send) -> None:
    length = sum(map(len, response.body))
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", b"%d" % length),
        (b"cache-control", b"no-cache, private"),
        *response.headers,
    ]
    if response.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if length <= _PIECE_BYTES:
        await send({"type": "http.response.body", "body": b"".join(response.body)})
        return
    for piece in _pieces(response.body):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes, small parts put together and large ones cut."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size < _PIECE_BYTES:
            continue
        joined = b"".join(waiting)
        yield from (joined[start : start + _PIECE_BYTES] for start in range(0, size, _PIECE_BYTES))
        waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def send_stream(stream: Stream, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
    """Sends until the stream ends, the client goes away, or the server stops (which ends the stream in good order)."""
    headers = [(b"content-type", stream.content_type.encode()), (b"cache-control", b"no-cache, private")]
    tasks: list[asyncio.Task[object]] = []
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        tasks += (
            asyncio.create_task(_pump(stream, send)),
            asyncio.create_task(_until_gone(receive)),
            asyncio.create_task(stopping.wait()),
        )
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        stream.close()
    for result in results:
        if isinstance(result, Exception):
            raise result
    await send({"type": "http.response.body", "body": b""})


async def _pump(stream: Stream, send: Send) -> None:
    """`send` waits while the client is slow, so the generator is asked for more only when there is room."""
    async with aclosing(stream.pieces) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
