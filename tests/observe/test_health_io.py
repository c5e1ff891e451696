from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from moorage.model.errors import HostError
from moorage.observe.health_io import Health, HealthServer
from moorage.observe.http_io import MAX_CONNECTIONS, MAX_HEAD
from tests.observe.sockets import asked

HEAD = b"GET /healthz HTTP/1.1\r\nHost: node-1\r\n\r\n"


def served(
    story: Callable[[int], Awaitable[None]],
    check: Callable[[], Health] = lambda: Health(True),
    head_seconds: float = 5.0,
    run: Callable[[Awaitable[None]], None] = asyncio.run,  # type: ignore[assignment]
) -> None:
    async def play() -> None:
        server = HealthServer(0, check, clock=lambda: 60.0, head_seconds=head_seconds)
        port = server.listen()
        async with asyncio.timeout(10):
            serving = asyncio.create_task(server.serve())
            try:
                await story(port)
            finally:
                serving.cancel()
                await asyncio.wait([serving])

    run(play())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_it_answers_on_both_families_how_things_are_now(run: Callable[[Awaitable[None]], None]) -> None:
    health = Health(True)

    async def story(port: int) -> None:
        nonlocal health
        assert (await asked(port, HEAD)).startswith(b"HTTP/1.1 200 OK\r\n")
        health = Health(False)
        assert (await asked(port, HEAD)).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        if socket.has_dualstack_ipv6():
            assert (await asked(port, HEAD, "::1")).startswith(b"HTTP/1.1 503 ")

    served(story, lambda: health, run=run)


def test_bad_requests_are_told_so() -> None:
    async def story(port: int) -> None:
        assert (await asked(port, b"hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await asked(port, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n")).startswith(b"HTTP/1.1 431 ")

    served(story)


def test_half_a_request_is_a_bad_one_and_none_is_none() -> None:
    async def story(port: int) -> None:
        for request, answer in ((HEAD[:20], b"HTTP/1.1 400 "), (b"", b"")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            writer.write_eof()
            assert (await reader.read())[:13] == answer
            writer.close()

    served(story)


def test_a_slow_request_is_given_up() -> None:
    async def story(port: int) -> None:
        assert (await asked(port, HEAD[:20])).startswith(b"HTTP/1.1 408 ")

    served(story, head_seconds=0.05)


def test_a_flood_of_silent_connections_does_not_last() -> None:
    async def story(port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        assert await asked(port, b"") == b""
        for _, writer in silent:
            writer.close()
        for reader, _ in silent:
            await reader.read()
        while not (answer := await asked(port, HEAD)):
            pass
        assert answer.startswith(b"HTTP/1.1 200 ")

    served(story)


def test_a_port_that_is_taken_is_named() -> None:
    first = HealthServer(0, lambda: Health(True))
    port = first.listen()
    with pytest.raises(HostError, match=f"cannot serve health on port {port}: Address already in use: does another agent"):
        HealthServer(port, lambda: Health(True)).listen()
    first.close()
