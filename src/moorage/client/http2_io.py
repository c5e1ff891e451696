"""One HTTP/2 connection with asyncio: requests without bodies out, their answers in, any number at a time.

What goes wrong is an OSError that says what: ConnectionError for what ends this connection, or one of its streams.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Self, cast

from moorage.client.http2 import IDLE_SECONDS, Data, End, Head, Look, Pulse, Session, Told

PROTOCOL = "h2"

CLOSE_SECONDS = 0.5
"""For saying goodbye."""


class UnseenError(ConnectionError):
    """The server did nothing for the request and says so: it may be sent again at once, over another connection."""


class Answer:
    """One stream: its body is iterated over. `status` and `headers` are there when `Http2.ask` gives it; `close` at the end."""

    def __init__(self, connection: Http2, stream: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._connection = connection
        self._stream = stream
        self._pieces: list[bytes] = []
        self._cost = 0
        self._end: OSError | None = None
        self._has_ended = False
        self._woken = asyncio.Event()

    async def begun(self) -> None:
        """Until the server has answered. Raises OSError."""
        while not self.status:
            if self._has_ended:
                raise self._end or ConnectionError("the server ended the stream without an answer")
            await self._wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """A piece of the body as it came; what is read is room for more. Raises OSError where it breaks off."""
        while not self._pieces:
            if self._end is not None:
                raise self._end
            if self._has_ended:
                raise StopAsyncIteration
            await self._wait()
        chunk, cost = b"".join(self._pieces), self._cost
        self._pieces, self._cost = [], 0
        self._connection.consumed(self._stream, cost)
        return chunk

    def close(self) -> None:
        """What has come and nobody read is room again, on the connection that the others use too."""
        self._connection.drop(self._stream, self._cost)
        self._pieces, self._cost = [], 0

    def hear(self, told: Told) -> None:
        match told:
            case Head(status=status, headers=headers):
                self.status, self.headers = status, headers
            case Data(data=data, cost=cost):
                self._cost += cost
                if data:
                    self._pieces.append(data)
            case End(error=error, unseen=unseen) if error not in ("", "NO_ERROR") or unseen:
                kind = UnseenError if unseen else ConnectionError
                self.end(kind(f"the server ended the stream: {error}"))
            case End():
                self.end(None)
        self._woken.set()

    def end(self, error: OSError | None) -> None:
        if not self._has_ended:
            self._end, self._has_ended = error, True
            self._woken.set()

    async def _wait(self) -> None:
        self._woken.clear()
        await self._woken.wait()


class Http2(asyncio.Protocol):
    """Made by `loop.create_connection`; `ready` before the first `ask`. Closes itself where it was idle for long."""

    def __init__(self) -> None:
        self._session = Session()
        self._answers: dict[int, Answer] = {}
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pulse = Pulse(self._loop.time())
        self._used = self._loop.time()
        self._why: OSError | None = None
        self.is_spoken = True
        """Whether the server agreed to HTTP/2 (ALPN, RFC 7301). It is told nothing where it did not."""

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    @property
    def has_room(self) -> bool:
        """Whether a stream may be opened now."""
        return self._session.has_room and self._is_open

    async def ready(self) -> None:
        """Until the server has said how many streams it allows. Raises OSError."""
        await asyncio.wait([self._ready, self._lost], return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            raise self._why or ConnectionError("the server closed the connection")

    async def ask(self, headers: Sequence[tuple[str, str]]) -> Answer:
        """The answer, once it has begun; only where `has_room`. Raises OSError."""
        stream = self._session.ask(headers)
        answer = self._answers[stream] = Answer(self, stream)
        self._send()
        try:
            await answer.begun()
        except BaseException:
            answer.close()
            raise
        return answer

    async def close(self) -> None:
        """Ends every stream."""
        if self._transport is None or self.is_lost:
            return
        self._transport.close()
        await asyncio.wait([self._lost], timeout=CLOSE_SECONDS)
        self.abort()

    def abort(self) -> None:
        """Closes without a word."""
        if self._transport is not None:
            self._transport.abort()

    def consumed(self, stream: int, cost: int) -> None:
        if self._is_open:
            self._session.consumed(stream, cost)
            self._send()

    def drop(self, stream: int, cost: int) -> None:
        self._answers.pop(stream, None)
        self._used = self._loop.time()
        if self._is_open:
            self._session.consumed(stream, cost)
            self._session.drop(stream)
            self._send()
            self._close_after_the_last()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derives from nothing
        chosen: ssl.SSLObject = transport.get_extra_info("ssl_object")
        if chosen.selected_alpn_protocol() != PROTOCOL:
            self.is_spoken = False
            transport.close()
            return
        self._send()
        self._tick()

    def data_received(self, data: bytes) -> None:
        self._pulse.heard(self._loop.time())
        try:
            told = self._session.feed(data)
        except ConnectionError as error:
            self._break(error)
            return
        for each in told:
            if each.stream in self._answers:
                self._answers[each.stream].hear(each)
        if self._session.ready and not self._ready.done():
            self._ready.set_result(None)
        self._send()
        self._close_after_the_last()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._why is None:
            said = f": {self._session.farewell}" if self._session.farewell not in ("", "NO_ERROR") else ""
            because = f": {error}" if error is not None else ""
            self._why = ConnectionError(f"the connection broke off{said}{because}")
        for answer in self._answers.values():
            answer.end(self._why)
        if not self._lost.done():
            self._lost.set_result(None)

    @property
    def _is_open(self) -> bool:
        """What goes wrong closes it at once; that it is lost is told later."""
        return self._transport is not None and not self._transport.is_closing()

    def _send(self) -> None:
        data = self._session.outgoing()
        if data and self._is_open:
            assert self._transport is not None
            self._transport.write(data)

    def _break(self, why: OSError) -> None:
        self._why = why
        self._send()
        self.abort()

    def _close_after_the_last(self) -> None:
        """A server that said goodbye waits for the streams that it still serves."""
        if self._session.farewell and not self._session.streams:
            self._close()

    def _tick(self) -> None:
        """Looks after a silent or idle connection, and at the clock again when something may be due."""
        if not self._is_open:
            return
        now = self._loop.time()
        if not self._session.streams and now >= self._used + IDLE_SECONDS:
            self._close()
            return
        look = self._pulse.look(now)
        if look is Look.DEAD:
            self._break(ConnectionError("the server does not answer any more"))
            return
        if look is Look.ASK:
            self._session.ping()
            self._send()
        self._timer = self._loop.call_at(self._pulse.due(now), self._tick)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
