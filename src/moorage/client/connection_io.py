"""Requests and streams to one API server: bytes out, bytes in, foreign errors turned into ours.

Requests go over HTTP/1.1. Streams share an HTTP/2 connection where the server has it (`sharing_io`); else, without TLS and
through a proxy each has a connection of its own.

A refusal becomes ApiError, whatever else goes wrong HostError with what was tried and what came of it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import structlog
from yarl import URL

from moorage.client.decode import error_of
from moorage.client.frames import Frames
from moorage.client.http2_io import Answer
from moorage.client.kubeconfig import Access
from moorage.client.lines import Lines
from moorage.client.login_io import Login, Proof
from moorage.client.sharing_io import OneEach, Sharing
from moorage.client.socket_io import SocketFactory, plain, watchful
from moorage.model.errors import HostError
from moorage.model.protobuf import PROTOBUF

REQUEST_SECONDS = 30.0
"""For a whole request, and for the beginning of a stream."""

CONNECT_SECONDS = 10.0
"""Until a connection stands, TLS included."""

_READ_AHEAD = 1 << 20
"""Bytes buffered per connection: large lists arrive in few pieces."""

JSON = "application/json"

log = structlog.get_logger()


class Part(NamedTuple):
    """What a stream is made of: lines of JSON, or frames of protobuf where `is_binary`."""

    data: bytes
    is_binary: bool


class _Begun(NamedTuple):
    """An answer of which the body is to come, and what ends it. The names of headers may be given in small letters.

    `chosen` is why it has a connection of its own, where it could have been otherwise.
    """

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]
    close: Callable[[], object]
    chosen: OneEach | None = None


class Connection:
    """Connections to one server, kept open and shared. `open` before use, `close` at the end."""

    def __init__(self, access: Access, socket_factory: SocketFactory | None, user_agent: str) -> None:
        self._access = access
        self._socket_factory = watchful(socket_factory or plain)
        self._user_agent = user_agent
        self._login = Login(access)
        self._session: aiohttp.ClientSession | None = None
        self._sharing: Sharing | None = None

    def open(self) -> None:
        """Needs a running loop; connects to nothing yet. Raises UserError where the certificates cannot be used."""
        self._login.check()
        if self._access.insecure:
            log.warning("whoever answers is taken for the API server (insecure-skip-tls-verify)", server=self._access.server)
        if self._access.server.startswith("https:") and not self._access.proxy_url:
            url, name = URL(self._access.server), self._access.tls_server_name
            self._sharing = Sharing(url, name, self._socket_factory, CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(limit=0, socket_factory=self._socket_factory)  # a stream may hold a connection
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={
                "User-Agent": self._user_agent,
                "Accept": JSON,
                # In a fast network, compressing takes the server longer than sending.
                "Accept-Encoding": "gzip" if self._access.compress else "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_AHEAD,
        )

    async def close(self) -> None:
        if self._sharing is not None:
            await self._sharing.close()
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
    ) -> bytes:
        """The body of a 2xx answer. Raises ApiError or HostError."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        more = {"Content-Type": content_type} if body is not None else {}
        url = self._url(path, query)
        proof, again = await self._login.proof(), True
        while True:
            with _mapped(method, url):
                async with self._started(method, url, proof, timeout, more, body) as response:
                    answer = await response.read()
            if response.status < 300:
                return answer
            if not (response.status == 401 and again and await self._login.refused(proof)):
                raise error_of(response.status, answer, response.headers.get("Retry-After", ""))
            proof, again = await self._login.proof(), False

    async def stream(self, path: str, query: Mapping[str, str], accept: str = JSON) -> AsyncGenerator[Part, None]:
        """First an empty one, when the server has accepted; then each as it arrives. Raises ApiError or HostError."""
        url = self._url(path, query)
        proof, again = await self._login.proof(), True
        while True:
            with _mapped("GET", url):
                status, headers, body, close, chosen = await self._begun(url, proof, accept)
                try:
                    if status < 300:
                        is_binary = headers.get("content-type", "").partition(";")[0].strip() == PROTOBUF
                        yield Part(b"", is_binary)
                        cut = Frames() if is_binary else Lines()
                        async for chunk in body:
                            for each in cut.feed(chunk):
                                yield Part(each, is_binary)
                        return
                    async with asyncio.timeout(REQUEST_SECONDS):
                        answer = b"".join([chunk async for chunk in body])
                except (aiohttp.ClientError, OSError):
                    self._doubt(chosen)
                    raise
                finally:
                    close()
            if not (status == 401 and again and await self._login.refused(proof)):
                raise error_of(status, answer, headers.get("retry-after", ""))
            proof, again = await self._login.proof(), False

    async def _begun(self, url: URL, proof: Proof, accept: str) -> _Begun:
        """A stream, over a connection that others share or over its own."""
        shared = await self._shared(url, proof, accept)
        if isinstance(shared, Answer):
            return _Begun(shared.status, shared.headers, shared, shared.close)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await self._started("GET", url, proof, timeout, {"Accept": accept, "Accept-Encoding": "identity"})
        except (aiohttp.ClientError, OSError):
            self._doubt(shared)
            raise
        return _Begun(response.status, response.headers, response.content.iter_any(), response.release, shared)

    def _doubt(self, chosen: OneEach | None) -> None:
        if self._sharing is not None and chosen is not None:
            self._sharing.doubt(chosen)

    async def _shared(self, url: URL, proof: Proof, accept: str) -> Answer | OneEach | None:
        """None where no connection can be shared, whatever the server says."""
        if self._sharing is None or proof.tls is None:
            return None
        asked = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", url.host_port_subcomponent or ""),
            (":path", url.raw_path_qs),
            ("user-agent", self._user_agent),
            ("accept", accept),
            ("accept-encoding", "identity"),
            *((name.lower(), value) for name, value in proof.headers.items()),
        ]
        async with asyncio.timeout(REQUEST_SECONDS):
            return await self._sharing.ask(proof.tls.shared, asked)

    def _started(
        self,
        method: str,
        url: URL,
        proof: Proof,
        timeout: aiohttp.ClientTimeout,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            raise HostError("the client is not open: use `async with`")
        return self._session.request(
            method,
            url,
            data=body,
            headers={**headers, **proof.headers},
            timeout=timeout,
            allow_redirects=False,
            ssl=proof.tls.single if proof.tls else False,
            proxy=self._access.proxy_url or None,
            server_hostname=self._access.tls_server_name or None,
        )

    def _url(self, path: str, query: Mapping[str, str] | None) -> URL:
        tail = f"?{urlencode(query)}" if query else ""
        return URL(f"{self._access.server}{quote(path)}{tail}", encoded=True)


@contextmanager
def _mapped(method: str, url: URL) -> Iterator[None]:
    """Errors of aiohttp, the operating system and the clock as HostError."""
    tried = f"{method} {url.with_query(None)}"
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise HostError(f"{tried}: the server's certificate is not trusted: {error.certificate_error}") from error
    except ssl.SSLCertVerificationError as error:
        raise HostError(f"{tried}: the server's certificate is not trusted: {error}") from error
    except TimeoutError as error:
        raise HostError(f"{tried}: no answer in time") from error
    except aiohttp.ClientPayloadError as error:
        raise HostError(f"{tried}: the connection broke off in the middle of the answer") from error
    except (aiohttp.ClientError, OSError) as error:
        raise HostError(f"{tried}: {error or type(error).__name__}") from error
