from __future__ import annotations

import asyncio

import pytest

from moorage.dns.forward_io import ask_upstream, parse_upstream
from moorage.model.errors import UserError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_servers(text: str, endpoint: tuple[str, int]) -> None:
    assert parse_upstream(text) == endpoint


@pytest.mark.parametrize("text", ["", "dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(UserError):
        parse_upstream(text)


def test_a_question_over_tcp() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        asked = await reader.readexactly(size)
        writer.write((size + 1).to_bytes(2, "big") + asked + b"!")
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(5):
            endpoint = server.sockets[0].getsockname()
            assert await ask_upstream(b"question", [endpoint], tcp=True, timeout=1) == b"question!"

    asyncio.run(run())


def test_nobody_answers() -> None:
    assert asyncio.run(ask_upstream(b"question", [], tcp=False, timeout=1)) is None
    assert asyncio.run(ask_upstream(b"question", [("127.0.0.1", 9)], tcp=False, timeout=1)) is None, "the port is closed"
