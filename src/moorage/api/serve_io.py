"""Puts the application behind TLS sockets that were opened elsewhere, inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from moorage.api.app import App
from moorage.api.auth_certificate_io import certificate_of
from moorage.api.auth_gate import CERTIFICATE
from moorage.api.auth_requests import Certificate

MAX_HEAD_BYTES = 64 * 1024
"""The longest request line and headers together that are read; a longer head is answered with 400 and closed."""

GRACE_SECONDS = 2
"""How long requests in progress may take after the end was asked for."""


KEEP_ALIVE_SECONDS = 120
"""How long an idle connection is kept: longer than Go's clients keep theirs (90 s), so that they are the ones who close it."""


class _HeadTooLong(Exception):
    pass


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a bound on the head of a request, which its parser does not have, and with the certificate of
    the client in the scope of each request.
    """

    _head = 0
    _certificate: Certificate | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        peer = tls.getpeercert() if tls is not None else None
        if peer:
            self._certificate = certificate_of(peer, tls.getpeercert(True))

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()
        if self._certificate is not None:
            self.scope[CERTIFICATE] = self._certificate  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, length: int) -> None:
        self._head += length
        if self._head > MAX_HEAD_BYTES:
            raise _HeadTooLong


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: App, sockets: Sequence[socket.socket], certfile: Path, keyfile: Path, client_ca: Path | None = None
) -> None:
    """Serves until cancelled, then ends watches, lets requests in progress finish, and closes the sockets.

    Clients may show a certificate that `client_ca` signed; any other one ends the handshake.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        ssl_ca_certs=str(client_ca) if client_ca is not None else None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if client_ca is not None else ssl.CERT_NONE,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=1024,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(list(sockets)), name="https")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        app.stop()
        server.should_exit = True
        await serving
        raise
