"""HAProxy before a server of a test: it ends TLS, speaks HTTP/2 with the client and HTTP/1.1 with the server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import load
from moorage.client.socket_io import AddressInfo, plain
from moorage.model.meta import ObjectMeta
from moorage.model.ports import BOOKMARK, WatchEvent
from moorage.model.slices import EndpointSlice
from tests.client.embedded import admin_token, embedded_server
from tests.client.served import certificate

BOTH = "h2,http/1.1"


Events = AsyncGenerator[WatchEvent, None]


class Terminator:
    """One HAProxy process, listening where it was told. `control` is the path of its admin socket."""

    def __init__(self, process: asyncio.subprocess.Process, control: Path) -> None:
        self._process = process
        self._control = control

    async def connections(self) -> int:
        """How many it accepted so far from clients."""
        reader, writer = await asyncio.open_unix_connection(self._control)
        writer.write(b"show stat -1 1 -1\n")
        names, values, *_ = (await reader.read()).decode().splitlines()
        writer.close()
        return int(values.split(",")[names.split(",").index("conn_tot")])

    def leave(self) -> None:
        """As in a reload: it takes no new connections and serves those that it has (SIGUSR1)."""
        self._process.send_signal(signal.SIGUSR1)

    def freeze(self) -> None:
        """It does nothing any more, while its kernel keeps its connections."""
        self._process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self._process.kill()


@asynccontextmanager
async def terminator(
    directory: Path, listening: socket.socket, server: str, alpn: str = BOTH, streams: int = 100, clients: str = ""
) -> AsyncIterator[Terminator]:
    """In front of `https://ADDRESS:PORT`, on that listening socket, until the block ends.

    `clients` is a file of certificates, one of which a client must show.
    """
    verify = f"ca-file {clients} verify required" if clients else ""
    control = directory / f"haproxy-{os.urandom(4).hex()}"
    config = directory / f"{control.name}.cfg"
    config.write_text(
        f"""
global
  stats socket {control} level admin
  tune.h2.max-concurrent-streams {streams}
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend api
  bind fd@{listening.fileno()} ssl crt {_shown(directory)} alpn {alpn} {verify}
  default_backend server
backend server
  server one {server.removeprefix("https://")} ssl verify none
"""
    )
    process = await asyncio.create_subprocess_exec("haproxy", "-db", "-q", "-f", config, pass_fds=[listening.fileno()])
    try:
        async with asyncio.timeout(10):
            while not control.exists():
                assert process.returncode is None, "HAProxy did not start"
                await asyncio.sleep(0.01)
        yield Terminator(process, control)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _shown(directory: Path) -> Path:
    """The certificate and key of every HAProxy of that directory."""
    shown = directory / "haproxy.pem"
    if not shown.exists():
        own, key = certificate(directory)
        shown.write_bytes(own.read_bytes() + key.read_bytes())
    return shown


def access_to(directory: Path, listening: socket.socket, token: str) -> Access:
    """Trusts the certificate of the directory's HAProxies."""
    _shown(directory)
    host, port = listening.getsockname()
    return Access(server=f"https://{host}:{port}", ca_file=str(directory / "127.0.0.1.crt"), token=token)


class Made:
    """Makes a client's sockets."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    def __call__(self, info: AddressInfo) -> socket.socket:
        self.sockets.append(plain(info))
        return self.sockets[-1]

    def open(self) -> int:
        """How many of them are."""
        return sum(each.fileno() >= 0 for each in self.sockets)

    async def become(self, number: int) -> None:
        async with asyncio.timeout(5):
            while self.open() != number:  # noqa: ASYNC110  the loop closes them without a word
                await asyncio.sleep(0.01)


class Place:
    """A server, the way past HAProxy to it (`direct`), and the listening socket of HAProxies before it."""

    def __init__(self, directory: Path, server: str, direct: HttpClient, listening: socket.socket) -> None:
        self.directory = directory
        self.server = server
        self.direct = direct
        self.listening = listening
        self.access = access_to(directory, listening, admin_token(directory))
        """Through HAProxy, as the administrator."""

    async def write(self, name: str, padding: int = 0) -> None:
        """One more slice, which every watch tells of."""
        metadata = ObjectMeta(name=name, namespace="default", annotations={"p": "x" * padding})
        await self.direct.create(EndpointSlice(metadata=metadata, address_type="IPv4"))

    async def watches(self, client: HttpClient, count: int) -> list[Events]:
        """So many, all begun at once."""
        _, version = await self.direct.list(EndpointSlice)
        begun = [client.watch(EndpointSlice, version) for _ in range(count)]
        assert {(await each).type for each in [asyncio.ensure_future(anext(each)) for each in begun]} == {BOOKMARK}
        return begun


def play(
    directory: Path,
    story: Callable[[Place], Awaitable[None]],
    run: Callable[..., None] = asyncio.run,
    open_: Callable[[], socket.socket] = listen,
) -> None:
    """Tells the story of a server and what is before it, within a minute. `open_` opens the listening socket."""

    @asynccontextmanager
    async def placed() -> AsyncIterator[Place]:
        async with embedded_server(directory) as kubeconfig:
            access = load(kubeconfig)
            async with HttpClient(access) as direct:
                with open_() as listening:
                    yield Place(directory, access.server, direct, listening)

    async def told() -> None:
        async with asyncio.timeout(60), placed() as place:
            await story(place)

    run(told())


async def named(events: Events) -> str:
    """The name in the next event that is no bookmark."""
    async with asyncio.timeout(10):
        async for event in events:
            if event.type != BOOKMARK:
                return event.obj.metadata.name
    raise AssertionError("the watch ended")
