"""Puts the application behind TLS sockets that were opened elsewhere, inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import socket
import ssl
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import uvicorn

from moorage.api.app import App
from moorage.api.connection_io import BoundedProtocol, Bounds

GRACE_SECONDS = 2
"""How long requests in progress may take after the end was asked for."""

DEFAULTS = Bounds()

_LOOK_SECONDS = 1.0
"""How often late connections are looked for, at least."""

_OTHER_FILES = 256
"""Open files that are no connections."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: App,
    sockets: Sequence[socket.socket],
    certfile: Path,
    keyfile: Path,
    client_ca: Path | None = None,
    bounds: Bounds = DEFAULTS,
) -> None:
    """Serves until cancelled, then ends watches, lets requests in progress finish, and closes the sockets.

    Clients may show a certificate that `client_ca` signed; any other one ends the handshake.
    """
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, bounds=bounds),  # type: ignore[arg-type]
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
        proxy_headers=False,
        timeout_keep_alive=math.ceil(bounds.idle),
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=1024,
    )
    _allow_files(bounds.connections + _OTHER_FILES)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(list(sockets)), name="https")
    looking = asyncio.create_task(_end_late(server, min(_LOOK_SECONDS, bounds.shortest)), name="late connections")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        app.stop()
        server.should_exit = True
        await serving
        raise
    finally:
        looking.cancel()


async def _end_late(server: uvicorn.Server, period: float) -> None:
    """Ends connections that keep the server waiting."""
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(period)
        now = clock()
        for each in list(server.server_state.connections):
            if isinstance(each, BoundedProtocol) and each.is_late(now):
                each.transport.abort()


def _allow_files(wanted: int) -> None:
    """Raises the number of files that this process may open, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
