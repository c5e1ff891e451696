from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress

import pytest
import uvloop

from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.observe.health import Health
from moorage.observe.http_io import MAX_HEAD
from moorage.observe.service_health import NotServed
from moorage.observe.service_health_io import RETRY, ServiceHealthServers
from moorage.table.types import LocalCheck
from tests.observe.sockets import asked, free_ports

WEB, API = Key("default", "web"), Key("default", "api")
HEAD = b"GET / HTTP/1.1\r\nHost: node-1\r\n\r\n"
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Awaitable[None]], None]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def served(
    story: Callable[[ServiceHealthServers], Awaitable[None]],
    check: Callable[[], Health] = lambda: Health(True),
    clock: Callable[[], float] = lambda: 100.0,
    run: Run = asyncio.run,  # type: ignore[assignment]
    head_seconds: float = 5.0,
) -> None:
    """Tells the story; nothing of it may be left afterwards, and nothing may have failed unseen."""
    faults: list[object] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with asyncio.timeout(20):
            with closing(ServiceHealthServers(check, clock, head_seconds, connections=4)) as servers:
                await story(servers)
            if left := asyncio.all_tasks() - {asyncio.current_task()}:
                _, alive = await asyncio.wait(left, timeout=1.0)
                assert not alive

    run(play())
    assert not faults


async def status(port: int) -> tuple[int, str, int]:
    """The code, the Service that answered, and its local endpoints."""
    head, _, text = (await asked(port, HEAD)).partition(b"\r\n\r\n")
    body = json.loads(text)
    assert f"X-Load-Balancing-Endpoint-Weight: {body['localEndpoints']}\r\n".encode() in head
    return int(head.split()[1]), f"{body['service']['namespace']}/{body['service']['name']}", body["localEndpoints"]


async def refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@LOOPS
def test_it_answers_on_both_families_how_things_are_now(run: Run) -> None:
    health = Health(True)
    (port,) = free_ports(1)

    async def story(servers: ServiceHealthServers) -> None:
        nonlocal health
        assert servers.follow({WEB: LocalCheck(port, 2)}) == ()
        assert servers.retry_at is None
        assert await status(port) == (200, "default/web", 2)
        if socket.has_dualstack_ipv6():
            assert (await asked(port, HEAD, "::1")).startswith(b"HTTP/1.1 200 OK\r\n")
        servers.follow({WEB: LocalCheck(port, 0)})
        assert await status(port) == (503, "default/web", 0)
        servers.follow({WEB: LocalCheck(port, 1)})
        health = Health(True, node_eligible=False)
        assert await status(port) == (200, "default/web", 1)
        health = Health(False)
        assert await status(port) == (503, "default/web", 1)

    served(story, lambda: health, run=run)


@LOOPS
def test_ports_come_go_and_move(run: Run) -> None:
    first, second = free_ports(2)

    async def story(servers: ServiceHealthServers) -> None:
        servers.follow({WEB: LocalCheck(first, 1), API: LocalCheck(second, 2)})
        assert await status(first) == (200, "default/web", 1)
        servers.follow({WEB: LocalCheck(second, 1), API: LocalCheck(first, 2)})
        assert await status(first) == (200, "default/api", 2)
        assert await status(second) == (200, "default/web", 1)
        servers.follow({WEB: LocalCheck(second, 1)})
        assert await refused(first)
        assert await status(second) == (200, "default/web", 1)
        servers.close()
        assert await refused(second)

    served(story, run=run)


@LOOPS
def test_closed_and_opened_at_once_many_times(run: Run) -> None:
    """No turn of the event loop lies between two calls: a port is free when `follow` returns."""
    ports = free_ports(5)
    wanted = {Key("default", f"s{n}"): LocalCheck(port, 1) for n, port in enumerate(ports)}

    async def story(servers: ServiceHealthServers) -> None:
        for _ in range(50):
            assert servers.follow(wanted) == ()
            assert servers.follow({}) == ()
        with socket.create_server(("", ports[0])):
            pass
        assert servers.follow(wanted) == ()
        assert [await status(each) for each in ports] == [(200, f"default/s{n}", 1) for n in range(5)]

    served(story, run=run)


def test_an_open_port_is_left_alone() -> None:
    """A connection from before outlives any number of calls, and is told the newest count."""
    first, second = free_ports(2)

    async def story(servers: ServiceHealthServers) -> None:
        servers.follow({WEB: LocalCheck(first, 0)})
        reader, writer = await asyncio.open_connection("127.0.0.1", first)
        writer.write(HEAD[:5])
        for count in range(100):
            more = {API: LocalCheck(second, 1)} if count % 2 else {}
            assert servers.follow({WEB: LocalCheck(first, count), **more}) == ()
            await asyncio.sleep(0)
        writer.write(HEAD[5:])
        assert b"X-Load-Balancing-Endpoint-Weight: 99\r\n" in await reader.read()
        writer.close()

    served(story)


@LOOPS
def test_a_connection_ends_with_its_port(run: Run) -> None:
    first, second = free_ports(2)

    async def story(servers: ServiceHealthServers) -> None:
        servers.follow({WEB: LocalCheck(first, 1), API: LocalCheck(second, 1)})
        clients = []
        for port in (first, second):
            clients.append(await asyncio.open_connection("127.0.0.1", port))
            clients[-1][1].write(HEAD[:-2])
            await status(port)  # those who came earlier have been let in by now
        servers.follow({API: LocalCheck(second, 1)})
        with suppress(ConnectionResetError):
            assert await clients[0][0].read() == b""
        clients[1][1].write(HEAD[-2:])
        assert (await clients[1][0].read()).startswith(b"HTTP/1.1 200 OK\r\n")
        for _, writer in clients:
            writer.close()

    served(story, run=run)


def test_a_port_in_use_concerns_its_service_alone_and_is_tried_again_later() -> None:
    taken, free = free_ports(2)
    wanted = {WEB: LocalCheck(taken, 1), API: LocalCheck(free, 1)}
    clock = Clock()
    lost = NotServed(
        WEB,
        taken,
        f"cannot serve the health check of a Service on port {taken}: Address already in use: "
        "does another program (kube-proxy?) serve it",
        Reason.FAILED_TO_START_SERVICE_HEALTHCHECK,
    )

    async def story(servers: ServiceHealthServers) -> None:
        with socket.create_server(("", taken)):
            assert servers.follow(wanted) == (lost,)
            assert servers.retry_at == 100.0 + RETRY
            assert await status(free) == (200, "default/api", 1)
            clock.now += RETRY
            assert servers.follow(wanted) == (lost,)
            assert servers.retry_at == 100.0 + 2 * RETRY
        clock.now += RETRY / 2
        assert servers.follow(wanted) == (lost,), "nothing is tried before its time"
        clock.now += RETRY / 2
        assert servers.follow(wanted) == ()
        assert servers.retry_at is None
        assert await status(taken) == (200, "default/web", 1)

    served(story, clock=clock)


def test_a_refused_port_that_nobody_wants_any_more_is_forgotten() -> None:
    taken, free = free_ports(2)

    async def story(servers: ServiceHealthServers) -> None:
        with socket.create_server(("", taken)):
            assert [each.service for each in servers.follow({WEB: LocalCheck(taken, 1)})] == [WEB]
            assert servers.follow({WEB: LocalCheck(free, 1)}) == ()
            assert servers.retry_at is None
            assert await status(free) == (200, "default/web", 1)
        assert servers.follow({WEB: LocalCheck(taken, 1)}) == (), "a new wish is tried at once"

    served(story)


def test_two_services_with_one_port() -> None:
    (port,) = free_ports(1)
    both = {WEB: LocalCheck(port, 1), API: LocalCheck(port, 2)}

    async def story(servers: ServiceHealthServers) -> None:
        (lost,) = servers.follow(both)
        assert lost == NotServed(WEB, port, f"port {port} is already the healthCheckNodePort of Service default/api")
        assert servers.retry_at is None
        assert await status(port) == (200, "default/api", 2)
        assert servers.follow({WEB: LocalCheck(port, 1)}) == ()
        assert await status(port) == (200, "default/web", 1)
        assert [each.service for each in servers.follow(both)] == [API]

    served(story)


def test_head_and_odd_requests() -> None:
    (port,) = free_ports(1)

    async def story(servers: ServiceHealthServers) -> None:
        servers.follow({WEB: LocalCheck(port, 1)})
        head = await asked(port, b"HEAD /x?y HTTP/1.0\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        for request, code in (
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"405"),
            (b"GET / HTTP/1.1\r\n\r\n", b"400"),
            (b"\x16\x03\x01\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", b"431"),
            (b"GET / HTTP/1.1\r\nHost: a", b"408"),
        ):
            assert (await asked(port, request)).split()[1] == code

    served(story, head_seconds=0.1)


def test_a_crowd_at_one_port_does_not_keep_others_from_asking() -> None:
    first, second = free_ports(2)

    async def story(servers: ServiceHealthServers) -> None:
        servers.follow({WEB: LocalCheck(first, 1), API: LocalCheck(second, 1)})
        silent = [await asyncio.open_connection("127.0.0.1", first) for _ in range(4)]
        assert await asked(first, b"") == b""
        assert await status(second) == (200, "default/api", 1)
        for reader, writer in silent:
            writer.close()
            await reader.read()
        while not await asked(first, HEAD):
            pass

    served(story)
