"""A server that says what a recorded one said: over TLS, chunk by chunk, and not before the client did what caused it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from moorage.client.kubeconfig import Access
from tests.client.served import certificate
from tests.recorded.spoken import Spoken
from tests.recorded.wire import Passed, conversation

READS = ("GET",)

ABSENT = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 19\r\n\r\n404 page not found\n"
"""What a kube-apiserver says of a kind that it does not have."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Playback:
    """Each recorded request is answered once; to others the server does not have that kind. `left` are the recorded ones not
    asked yet, `unexpected` the others, `differing` those with another body than recorded (recorded, asked).

    What a watch tells is held back until the client has written to objects of that kind all that the recorded client had
    written by then: the effect comes after the cause. Requests are known by method, path and query; of several that agree in
    these the one with the same body is taken, or else the first. `cut` splits what is sent into segments of so many bytes.
    """

    def __init__(self, spoken: Sequence[Spoken], cut: int = 0) -> None:
        self.left = list(spoken)
        self.unexpected: list[Spoken] = []
        self.differing: list[tuple[Spoken, Spoken]] = []
        self._cut = cut
        self._moved = asyncio.Condition()

    def writes_left(self, plural: str) -> list[Spoken]:
        """What the client has not written yet to objects of a kind."""
        return [each for each in self.left if each.method not in READS and f"/{plural}/" in f"{each.path}/"]

    async def until_written(self, plural: str) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: not self.writes_left(plural))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client leaves."""
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            while request := await _read(reader):
                await self._answer(request, writer)
        writer.close()

    async def _answer(self, request: Spoken, writer: asyncio.StreamWriter) -> None:
        found = self._take(request)
        async with self._moved:
            self._moved.notify_all()
        if found is None:
            self.unexpected.append(request)
            await self._send(writer, ABSENT)
            return
        await self._send(writer, _head(found))
        for piece in found.pieces:
            await self._until_caused(found, piece.moment)
            data = piece.text.encode("latin-1")
            await self._send(writer, b"%x\r\n%s\r\n" % (len(data), data) if found.is_chunked else data)
        if not found.ended:
            await asyncio.Event().wait()  # the recorded client left first, and so does this one
        if found.is_chunked:
            await self._until_caused(found, found.ended)
            await self._send(writer, b"0\r\n\r\n")

    def _take(self, request: Spoken) -> Spoken | None:
        alike = [each for each in self.left if _name(each) == _name(request)]
        if not alike:
            return None
        same = [each for each in alike if _timeless(each.body) == _timeless(request.body)]
        found = (same or alike)[0]
        if not same:
            self.differing.append((found, request))
        self.left.remove(found)
        return found

    async def _until_caused(self, spoken: Spoken, moment: int) -> None:
        if "watch" not in spoken.query:
            return
        plural = spoken.path.rpartition("/")[2]
        async with self._moved:
            await self._moved.wait_for(lambda: not any(each.asked < moment for each in self.writes_left(plural)))

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        step = self._cut or len(data)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if self._cut:
                await asyncio.sleep(0)


@asynccontextmanager
async def played(spoken: Sequence[Spoken], directory: Path, cut: int = 0) -> AsyncIterator[tuple[Playback, Access]]:
    """Plays until the block ends."""
    playback = Playback(spoken, cut)
    ca_file, key = certificate(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ca_file, key)
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(playback.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield playback, Access(server=url, ca_file=str(ca_file), token="played")
    finally:
        server.close()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Spoken | None:
    """The next request of a connection, or None when the client has left."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)\r\n", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    [request] = conversation([Passed(0, True, head + body)])
    return request


def _head(spoken: Spoken) -> bytes:
    headers = dict(spoken.answer_headers)
    if not spoken.is_chunked:
        headers["content-length"] = str(len(spoken.answer))
    lines = [f"HTTP/1.1 {spoken.status} {HTTPStatus(spoken.status).phrase}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _name(spoken: Spoken) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The time that a watch asks for is drawn by lot."""
    return spoken.method, spoken.path, tuple(sorted(each for each in spoken.query.items() if each[0] != "timeoutSeconds"))


def _timeless(body: str) -> str:
    return _TIME.sub("T", body)
