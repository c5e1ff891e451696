"""Servers that do in HTTP/2 what they should not, over real TLS connections; what a client makes of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from h2.settings import SettingCodes

from moorage.client import connection_io
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.model.errors import HostError
from moorage.model.ports import BOOKMARK
from moorage.model.slices import EndpointSlice
from tests.client.served import certificate

EVENT = b'{"type":"ADDED","object":{"metadata":{"name":"web","resourceVersion":"7"}}}\n'

NO_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
"""A frame that changes none."""

NONSENSE = b"\0\0\1\x04\0\0\0\0\0!"
"""A frame of settings that is too short for one."""

Answer = Callable[[H2Connection, int], None]
"""Answers one request: the connection, and the number of its stream."""


def speaking(answer: Answer, streams: int = 100) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = streams
        connection.initiate_connection()
        connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        writer.write(connection.data_to_send())
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                for event in connection.receive_data(data):
                    if isinstance(event, RequestReceived):
                        answer(connection, event.stream_id)
                writer.write(connection.data_to_send())
        writer.close()

    return serve


def begun(connection: H2Connection, stream: int) -> None:
    connection.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
    connection.send_data(stream, EVENT)


def play(
    directory: Path,
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    story: Callable[[HttpClient], Awaitable[None]],
) -> None:
    async def told() -> None:
        own, key = certificate(directory)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(own, key)
        context.set_alpn_protocols(["h2"])
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(20), HttpClient(Access(server=f"https://127.0.0.1:{port}", ca_file=str(own))) as client:
            await story(client)
        server.close()

    asyncio.run(told())


async def failure(client: HttpClient) -> str:
    with pytest.raises(HostError, match=r"GET https://127.0.0.1:\d+/apis/discovery.k8s.io/v1/endpointslices: ") as caught:
        _ = [each async for each in client.watch(EndpointSlice, "5")]
    return str(caught.value).partition("endpointslices: ")[2]


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_io, "CONNECT_SECONDS", 0.3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async def story(client: HttpClient) -> None:
        assert await failure(client) == "no answer in time"

    play(tmp_path, serve, story)


def test_a_server_that_speaks_something_else(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(NO_SETTINGS + NONSENSE)
        await reader.read(-1)
        writer.close()

    async def story(client: HttpClient) -> None:
        assert (await failure(client)).startswith("the server's HTTP/2 cannot be followed: ")

    play(tmp_path, serve, story)


def test_a_server_that_turns_to_something_else_in_the_middle(tmp_path: Path) -> None:
    """What is wrong on the connection ends all its streams, also those that are just closed."""
    turning = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaks = asyncio.ensure_future(speaking(begun)(reader, writer))
        await turning.wait()
        writer.write(NONSENSE)
        await speaks

    async def story(client: HttpClient) -> None:
        watches = [client.watch(EndpointSlice, "5") for _ in range(2)]
        for each in watches:
            assert (await anext(each)).type == BOOKMARK
            assert (await anext(each)).obj.metadata.name == "web"
        turning.set()
        with pytest.raises(HostError, match="cannot be followed"):
            await anext(watches[0])
        await watches[1].aclose()

    play(tmp_path, serve, story)


def test_a_server_that_allows_no_streams(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        assert await failure(client) == "the server allows no streams on a connection"

    play(tmp_path, speaking(begun, streams=0), story)


def test_a_stream_that_was_refused_unseen_is_asked_for_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(connection: H2Connection, stream: int) -> None:
        asked.append(stream)
        if len(asked) == 1:
            connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        else:
            begun(connection, stream)
            connection.end_stream(stream)

    async def story(client: HttpClient) -> None:
        assert [each.obj.metadata.name async for each in client.watch(EndpointSlice, "5")] == ["", "web"]
        assert len(asked) == 2

    play(tmp_path, speaking(answer), story)


def test_a_stream_that_is_refused_again_is_the_hosts_fault(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        assert await failure(client) == "the server ended the stream: REFUSED_STREAM"

    play(tmp_path, speaking(lambda connection, stream: connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)), story)


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL])
def test_a_stream_that_breaks_off(tmp_path: Path, code: ErrorCodes) -> None:
    def answer(connection: H2Connection, stream: int) -> None:
        begun(connection, stream)
        connection.reset_stream(stream, code)

    async def story(client: HttpClient) -> None:
        assert await failure(client) == f"the server ended the stream: {code.name}"

    play(tmp_path, speaking(answer), story)


def test_a_stream_that_ends_in_order_though_by_a_reset(tmp_path: Path) -> None:
    def answer(connection: H2Connection, stream: int) -> None:
        begun(connection, stream)
        connection.reset_stream(stream, ErrorCodes.NO_ERROR)

    async def story(client: HttpClient) -> None:
        assert [each.obj.metadata.name async for each in client.watch(EndpointSlice, "5")] == ["", "web"]

    play(tmp_path, speaking(answer), story)
