"""A client that costs little: prebuilt requests over TLS connections that stay open, answers parsed in C.

    requests -> N connections, each with one request under way -> seconds that each took
    one request -> its answer
    a watch's URL -> M connections that stream -> the revisions that each was told, and when

It takes well under a millisecond of processor time for a request, so that the server is measured and not the client.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from moorage.client.kubeconfig import Access
from moorage.client.tls_io import tls_context
from moorage.lab.netns_io import socket_in
from moorage.model.errors import HostError
from moorage.run.bench_objects import Written

OPENING_AT_ONCE = 32

P = TypeVar("P", bound=asyncio.Protocol)

_REVISION = re.compile(rb'"resourceVersion":"(\d+)"')


class Endpoint(msgspec.Struct, frozen=True):
    """Where to connect, and what every request carries. `namespace` is the network namespace of the connections, where it is
    not the caller's own.
    """

    host: str
    port: int
    token: str
    context: ssl.SSLContext
    namespace: str = ""

    @classmethod
    def of(cls, access: Access, namespace: str = "") -> Endpoint:
        url = urlsplit(access.server)
        return cls(url.hostname or "", url.port or 443, access.token, tls_context(access), namespace)

    async def connect(self, protocol: Callable[[], P]) -> P:
        """A TLS connection that this protocol reads."""
        loop = asyncio.get_running_loop()
        if not self.namespace:
            return (await loop.create_connection(protocol, self.host, self.port, ssl=self.context))[1]
        made = socket_in(self.namespace)
        await loop.sock_connect(made, (self.host, self.port))
        return (await loop.create_connection(protocol, sock=made, ssl=self.context, server_hostname=self.host))[1]

    def head(self, method: str, path: str) -> str:
        """Request line and headers, without the empty line that ends them."""
        login = f"Authorization: Bearer {self.token}\r\n" if self.token else ""  # or a certificate in the context
        host = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
        return f"{host}{login}Accept: application/json\r\nUser-Agent: moorage-bench\r\n"

    def post(self, written: Written) -> bytes:
        return self.request("POST", written)

    def request(self, method: str, written: Written) -> bytes:
        head = self.head(method, written.path)
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(written.body)}\r\n\r\n".encode() + written.body


class Load:
    """What is left to send, and what came of it: `seconds` of each answered request, `finished` when none is left."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.seconds: list[float] = []
        self.revision = 0
        self.finished = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._under_way = 0

    def next(self) -> bytes | None:
        """The next request; without one, and when nothing is under way any more, this is the end."""
        request = next(self._requests, None)
        if request is not None:
            self._under_way += 1
        elif not self._under_way and not self.finished.done():
            self.finished.set_result(None)
        return request

    def answered(self, seconds: float, status: int, body: bytes) -> None:
        self._under_way -= 1
        self.seconds.append(seconds)
        if status != 201:
            self.fail(f"a create was answered with {status}: {body[:500].decode(errors='replace')}")
        elif found := _REVISION.search(body):
            self.revision = int(found[1])

    def fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(HostError(why))


class Creator(asyncio.Protocol):
    """One connection of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._since = 0.0
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        self._load.answered(time.perf_counter() - self._since, self._parser.get_status_code(), b"".join(self._body))
        self._body.clear()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done:
            self._load.fail(f"the server closed a connection: {exc or 'without a reason'}")

    def _send(self) -> None:
        request = self._load.next()
        if request is None:
            self._done = True
            self._transport.close()
            return
        self._since = time.perf_counter()
        self._transport.write(request)


class Caller(asyncio.Protocol):
    """One connection, on which one request at a time is made and answered."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises HostError where the connection is lost."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        assert self._answer is not None
        self._answer.set_result((self._parser.get_status_code(), b"".join(self._body)))
        self._body.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(HostError(f"the server closed a connection: {exc or 'without a reason'}"))

    def close(self) -> None:
        self._transport.close()


class Watcher(asyncio.Protocol):
    """One watch: `revisions` in the order in which they were told, and `at`, when each came in."""

    def __init__(self, request: bytes) -> None:
        self.revisions: list[int] = []
        self.at: list[float] = []
        self.started = asyncio.get_running_loop().create_future()
        self.lost = False
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200:
            self.started.set_exception(HostError(f"a watch was answered with {status}"))
        elif not self.started.done():
            self.started.set_result(None)

    def on_body(self, piece: bytes) -> None:
        now = time.perf_counter()
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if found := _REVISION.search(line):
                self.revisions.append(int(found[1]))
                self.at.append(now)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.started.done():
            self.started.set_exception(HostError(f"the server closed a watch: {exc or 'without a reason'}"))

    def close(self) -> None:
        self._transport.close()


async def create_all(endpoint: Endpoint, requests: Iterable[bytes], connections: int) -> Load:
    """Sends all requests, each connection one after the other. Raises HostError for any answer but 201."""
    load = Load(iter(requests))
    await asyncio.gather(*(endpoint.connect(lambda: Creator(load)) for _ in range(connections)))
    await load.finished
    return load


async def open_watches(endpoint: Endpoint, path: str, count: int) -> list[Watcher]:
    """Watches that the server has accepted."""
    request = f"{endpoint.head('GET', path)}\r\n".encode()
    room = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one() -> Watcher:
        async with room:
            watcher = await endpoint.connect(lambda: Watcher(request))
            await watcher.started
            return watcher

    return await asyncio.gather(*(one() for _ in range(count)))
