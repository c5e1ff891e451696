"""The application behind real TLS sockets on loopback: bounds, slow clients, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from moorage.api.app import App
from moorage.api.connection_io import Bounds
from moorage.api.pki_io import Pki, ensure_pki
from moorage.api.serve_io import DEFAULTS, serve
from tests.api.asgi import ADMIN, SERVICES, ask, new_app, service

WAIT = 10.0


class Client:
    """One connection that speaks HTTP/1.1 by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, pki: Pki, limit: int = 1 << 20) -> Client:
        context = ssl.create_default_context(cafile=str(pki.ca_certificate))
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=limit))

    def send(self, method: str, url: str, more: str = "") -> None:
        head = f"{method} {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n{more}\r\n"
        self._writer.write(head.encode())

    async def status(self) -> int:
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), WAIT)
        return int(head.split()[1])

    async def body(self, length: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(length), WAIT)

    async def chunk(self) -> bytes:
        size = int(await asyncio.wait_for(self._reader.readline(), WAIT), 16)
        return (await self.body(size + 2))[:-2]

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def until_end(self) -> bytes:
        """What comes until the server ends the connection, in good order or not."""
        try:
            return await asyncio.wait_for(self._reader.read(), WAIT)
        except ConnectionResetError:
            return b""

    async def gone(self) -> None:
        """Waits, without taking anything, until the server has ended the connection."""
        async with asyncio.timeout(WAIT):
            while not self._writer.transport.is_closing():
                self._writer.write(b"x")
                await asyncio.sleep(0.01)

    def close(self) -> None:
        self._writer.transport.abort()


Story = Callable[[App, int, Pki], Awaitable[None]]


def run(directory: Path, story: Story, history: int = 1000, bounds: Bounds = DEFAULTS) -> None:
    pki = ensure_pki(directory, ["127.0.0.1"])

    async def told() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        app = await new_app(history)
        serving = asyncio.create_task(serve(app, [listening], pki.certificate, pki.key, bounds=bounds))
        try:
            await story(app, listening.getsockname()[1], pki)
        finally:
            serving.cancel()
            await asyncio.wait({serving}, timeout=WAIT)
            assert serving.cancelled()

    asyncio.run(told())


def test_connections_are_kept(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        for _ in range(3):
            client.send("GET", "/healthz")
            assert await client.status() == 200
            assert await client.body(2) == b"ok"
        client.close()

    run(tmp_path, story)


def test_a_head_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.send("GET", "/healthz", f"X: {'x' * DEFAULTS.head_bytes}\r\n")
        assert await client.status() == 431
        await client.until_end()
        client.close()

    run(tmp_path, story)


@pytest.mark.parametrize("length", [3 * 1024 * 1024 + 1, 10**15])
def test_a_body_that_is_too_long_is_refused_before_it_is_sent(tmp_path: Path, length: int) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.send("POST", SERVICES, f"Content-Length: {length}\r\n")
        assert await client.status() == 413
        await client.until_end()
        client.close()

    run(tmp_path, story)


def test_a_url_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.send("GET", f"/healthz?{'x' * DEFAULTS.head_bytes}")
        assert await client.status() == 431
        await client.until_end()
        client.close()

    run(tmp_path, story)


QUICK = Bounds(head=0.2, body=0.2, answer=0.2, idle=0.2)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost:", id="half a head"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", id="nothing after an answer"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea", id="half a second request"),
        pytest.param(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{" % SERVICES.encode(), id="half a body"),
    ],
)
def test_a_client_that_keeps_the_server_waiting_is_ended(tmp_path: Path, sent: bytes) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.write(sent.replace(b"Host: x", f"Host: x\r\nAuthorization: Bearer {ADMIN}".encode()))
        await client.until_end()
        client.close()

    run(tmp_path, story, bounds=QUICK)


def test_a_client_that_trickles_is_ended(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.write(b"GET /healthz HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                client.write(b"X: x\r\n")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        await client.until_end()
        trickling.cancel()
        client.close()

    run(tmp_path, story, bounds=QUICK)


@pytest.mark.parametrize("query", ["", "?watch=true"])
def test_a_client_that_does_not_take_its_answer_is_ended(tmp_path: Path, query: str) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        big = {"annotations": {"big": "x" * 250_000}}
        for number in range(40):
            made = service(f"s-{number}")
            assert (await ask(app, "POST", SERVICES, {**made, "metadata": {**made["metadata"], **big}})).status == 201
        client = await Client.connect(port, pki, limit=1024)
        client.send("GET", f"{SERVICES}{query}")
        assert await client.status() == 200
        await client.gone()
        client.close()

    run(tmp_path, story, bounds=QUICK)


def test_answers_may_take_as_long_as_they_like(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki)
        client.send("GET", f"{SERVICES}?watch=true")
        assert await client.status() == 200
        assert b'"kubernetes"' in await client.chunk()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(quiet := asyncio.create_task(client.chunk())), 4 * QUICK.idle)
        assert (await ask(app, "POST", SERVICES, service())).status == 201
        assert b'"web"' in await quiet
        client.close()

    run(tmp_path, story, bounds=QUICK)


def test_connections_are_bounded(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        clients = [await Client.connect(port, pki) for _ in range(2)]
        for client in clients:
            client.send("GET", "/healthz")
            assert (await client.status(), await client.body(2)) == (200, b"ok")
        third = await Client.connect(port, pki)
        third.send("GET", "/healthz")
        assert await third.until_end() == b""
        third.close()
        clients[0].close()
        clients[1].send("GET", "/healthz")
        assert await clients[1].status() == 200
        clients[1].close()

    run(tmp_path, story, bounds=Bounds(connections=2))


def test_the_end_is_prompt_and_in_good_order(tmp_path: Path) -> None:
    async def story(app: App, port: int, pki: Pki) -> None:
        watching = await Client.connect(port, pki)
        watching.send("GET", f"{SERVICES}?watch=true")
        assert await watching.status() == 200
        assert b'"ADDED"' in await watching.chunk()
        idle = await Client.connect(port, pki)
        app.stop()
        assert await watching.chunk() == b""
        watching.close()
        idle.close()

    run(tmp_path, story)


def test_serving_ends_while_watches_and_idle_connections_are_open(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, ["127.0.0.1"])

    async def story() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        serving = asyncio.create_task(serve(await new_app(), [listening], pki.certificate, pki.key))
        watching, idle = await Client.connect(port, pki), await Client.connect(port, pki)
        watching.send("GET", f"{SERVICES}?watch=true")
        await watching.status()
        await watching.chunk()
        began = asyncio.get_running_loop().time()
        serving.cancel()
        await asyncio.wait({serving}, timeout=WAIT)
        assert serving.cancelled()
        assert asyncio.get_running_loop().time() - began < 2
        assert (await watching.until_end()).endswith(b"0\r\n\r\n")
        assert await idle.until_end() == b""
        watching.close()
        idle.close()

    asyncio.run(story())


def test_a_client_that_does_not_read_is_told_that_it_fell_behind(tmp_path: Path) -> None:
    """Nothing piles up for it in the server: events that it did not take are dropped with the history."""

    async def story(app: App, port: int, pki: Pki) -> None:
        client = await Client.connect(port, pki, limit=1024)
        client.send("GET", f"{SERVICES}?watch=true")
        assert await client.status() == 200
        big = {"annotations": {"big": "x" * 200_000}}
        for number in range(80):
            made = service(f"s-{number}")
            assert (await ask(app, "POST", SERVICES, {**made, "metadata": {**made["metadata"], **big}})).status == 201
        lines = b""
        while chunk := await client.chunk():
            lines += chunk
        last = msgspec.json.decode(lines.splitlines()[-1])
        assert (last["type"], last["object"]["reason"]) == ("ERROR", "Expired")
        client.close()

    run(tmp_path, story, history=10)
