"""The prober against real servers on loopback addresses: 127.0.1.N is node N."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from moorage.balance.health import Answer, HealthChange, HealthSettings, Standing, Target
from moorage.balance.probe_io import NodeProber, ask
from moorage.balance.targets import targets
from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot
from tests.table.objects import ip, node

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BOUND = 20.0
"""Seconds after which a test that waits for a change fails."""


def settings_for_a_free_port() -> HealthSettings:
    with socket.socket() as probe:
        probe.bind(("127.0.1.1", 0))
        return HealthSettings(interval=0.02, timeout=0.2, port=probe.getsockname()[1])


def responder(status: list[str], requests: list[bytes] | None = None) -> Handler:
    """Answers with the status line that is in the list at that moment; an empty one closes without an answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(request)
        if status[0]:
            writer.write(f"{status[0]}\r\nContent-Length: 2\r\n\r\nok".encode())
        writer.close()

    return handle


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and never answers; ends when the client does."""
    await reader.read()
    writer.close()


@asynccontextmanager
async def serving(number: int, settings: HealthSettings, handler: Handler) -> AsyncIterator[None]:
    server = await asyncio.start_server(handler, f"127.0.1.{number}", settings.port)
    async with server:
        yield


def cluster(settings: HealthSettings, *numbers: int) -> frozenset[Target]:
    return targets(Snapshot.of([node(f"node-{number}", f"127.0.1.{number}") for number in numbers]), settings)


async def changes(prober: NodeProber, count: int = 1) -> list[HealthChange]:
    found: list[HealthChange] = []
    async with asyncio.timeout(BOUND):
        while len(found) < count:
            found += await prober.next()
    return found


def test_a_node_comes_into_use_and_goes_and_comes_back() -> None:
    async def story() -> None:
        settings, status, requests = settings_for_a_free_port(), ["HTTP/1.1 200 OK"], list[bytes]()
        async with serving(1, settings, responder(status, requests)), NodeProber(settings) as prober:
            assert prober.healthy == frozenset()
            prober.follow(cluster(settings, 1))
            assert await changes(prober) == [HealthChange("node-1", Reason.NODE_HEALTHY, "HTTP 200")]
            assert prober.healthy == {"node-1"}
            status[0] = "HTTP/1.1 503 Service Unavailable"
            assert await changes(prober) == [HealthChange("node-1", Reason.NODE_UNHEALTHY, "HTTP 503")]
            assert prober.healthy == frozenset()
            status[0] = "HTTP/1.1 200 OK"
            assert [each.reason for each in await changes(prober)] == [Reason.NODE_HEALTHY]
        assert requests[0].startswith(b"GET /livez HTTP/1.1\r\nHost: 127.0.1.1:")

    asyncio.run(story())


def test_a_node_that_hangs_delays_no_other() -> None:
    async def story() -> None:
        settings = settings_for_a_free_port()
        slow = HealthSettings(interval=0.02, timeout=BOUND * 10, port=settings.port)
        async with (
            serving(1, slow, hang),
            serving(2, slow, responder(["HTTP/1.1 200 OK"])),
            NodeProber(slow) as prober,
        ):
            prober.follow(cluster(slow, 1, 2))
            assert [each.node for each in await changes(prober)] == ["node-2"]
            assert prober.healthy == {"node-2"}

    asyncio.run(story())


def test_nodes_are_followed_as_they_come_and_go() -> None:
    async def story() -> None:
        settings, answer = settings_for_a_free_port(), responder(["HTTP/1.1 200 OK"])
        async with serving(1, settings, answer), serving(2, settings, answer), NodeProber(settings) as prober:
            prober.follow(cluster(settings, 1, 2))
            assert {each.node for each in await changes(prober, 2)} == {"node-1", "node-2"}
            prober.follow(cluster(settings, 2))
            assert prober.healthy == {"node-2"}
            moved = node("node-2", "127.0.1.1")
            prober.follow(targets(Snapshot.of([moved, node("without an address")]), settings))
            assert prober.healthy == frozenset()
            assert [each.node for each in await changes(prober)] == ["node-2"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (responder(["HTTP/1.1 200 OK"]), Answer(True, "HTTP 200")),
        (responder([""]), Answer(False, "the connection was closed without an answer")),
        (responder(["x" * 5000]), Answer(False, "the answer is not HTTP")),
        (hang, Answer(False, "no answer within 0.2 s")),
    ],
)
def test_whatever_happens_is_an_answer(handler: Handler, expected: Answer) -> None:
    async def story() -> None:
        settings = settings_for_a_free_port()
        async with serving(1, settings, handler):
            assert await ask(here(settings), settings.timeout) == expected

    asyncio.run(story())


def test_a_closed_port_is_an_answer() -> None:
    assert asyncio.run(ask(here(settings_for_a_free_port()), 1.0)) == Answer(False, "Connection refused")


def test_a_prober_that_was_busy_blames_nobody() -> None:
    async def story() -> None:
        settings = settings_for_a_free_port()
        async with serving(1, settings, hang):
            asking = asyncio.create_task(ask(here(settings), 0.1))
            await asyncio.sleep(0.05)
            time.sleep(0.2)  # noqa: ASYNC251
            assert await asking is None

    asyncio.run(story())


def test_a_service_is_asked_for_apart_from_its_node() -> None:
    async def story() -> None:
        settings, status, requests = settings_for_a_free_port(), ["HTTP/1.1 503 Service Unavailable"], list[bytes]()
        web = Key("default", "web")
        check = msgspec.structs.replace(here(settings), path="/healthz", service=web)
        async with serving(1, settings, responder(status, requests)), NodeProber(settings) as prober:
            prober.follow({check})
            assert prober.checks == {web: {"node-1": Standing.UNKNOWN}}
            assert await changes(prober) == [HealthChange("node-1", Reason.NODE_UNHEALTHY, "HTTP 503", web)]
            status[0] = "HTTP/1.1 200 OK"
            assert await changes(prober) == [HealthChange("node-1", Reason.NODE_HEALTHY, "HTTP 200", web)]
            assert prober.checks == {web: {"node-1": Standing.HEALTHY}}
            assert prober.healthy == frozenset()
        assert requests[0].startswith(b"GET /healthz HTTP/1.1")

    asyncio.run(story())


def here(settings: HealthSettings) -> Target:
    return Target("node-1", ip("127.0.1.1"), settings.port, settings.path)
