"""Real sockets on loopback. Every wait is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import dnslib
import pytest

from moorage.dns.serve_io import GetSnapshot, serve_dns
from moorage.dns.settings import DEFAULTS, DnsSettings
from moorage.model.errors import HostError, UserError
from moorage.model.service import ServiceSpec
from moorage.model.snapshot import Snapshot
from tests.dns.cluster import HTTP, SNAPSHOT, Heard, endpoint, hear, question, service, slice_of

BOUND = 5.0


def serving(
    check: Callable[[int], Awaitable[None]],
    get_snapshot: GetSnapshot = lambda: SNAPSHOT,
    settings: DnsSettings = DEFAULTS,
    address: str = "0.0.0.0",
) -> None:
    """Runs `check` with the port of a server; the server is gone afterwards."""

    async def run() -> None:
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve_dns(address, 0, get_snapshot, settings, started.set_result))
        async with asyncio.timeout(BOUND):
            try:
                await check(await started)
            finally:
                task.cancel()
                await asyncio.wait({task})

    asyncio.run(run())


async def by_udp(packet: bytes, port: int, to: str = "127.0.0.1") -> bytes:
    """A connected socket: an answer from another address than the asked one is not heard."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect((to, port))
        await loop.sock_sendall(asking, packet)
        return await loop.sock_recv(asking, 65535)


async def by_tcp(packets: list[bytes], port: int) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for packet in packets:
        writer.write(len(packet).to_bytes(2, "big") + packet)
    answers = []
    for _ in packets:
        size = int.from_bytes(await reader.readexactly(2), "big")
        answers.append(await reader.readexactly(size))
    writer.close()
    await writer.wait_closed()
    return answers


WEB = question("web.default.svc.cluster.local").pack()
FOUND = Heard("NOERROR", ("A 10.96.0.20",))


def test_udp_is_answered_from_the_address_that_was_asked() -> None:
    async def check(port: int) -> None:
        for address in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
            assert hear(await by_udp(WEB, port, address)) == FOUND

    serving(check)


def test_ipv6() -> None:
    async def check(port: int) -> None:
        assert hear(await by_udp(WEB, port, "::1")) == FOUND

    serving(check, address="::")


def test_tcp_takes_several_questions_on_one_connection() -> None:
    async def check(port: int) -> None:
        packets = [WEB, question("gone.default.svc.cluster.local").pack(), WEB]
        assert [hear(each).rcode for each in await by_tcp(packets, port)] == ["NOERROR", "NXDOMAIN", "NOERROR"]

    serving(check)


def test_a_truncated_answer_is_whole_over_tcp_and_its_order_varies() -> None:
    endpoints = tuple(endpoint(f"10.244.{n // 200}.{n % 200}") for n in range(400))
    spec = ServiceSpec(type="ClusterIP", cluster_ip="None", ports=(HTTP,))
    snapshot = Snapshot.of([service("many", spec), slice_of("many", endpoints)])
    asked = question("many.default.svc.cluster.local").pack()

    async def check(port: int) -> None:
        assert hear(await by_udp(asked, port)).truncated
        first, second = (hear(each).records for each in await by_tcp([asked, asked], port))
        assert len(first) == 400
        assert sorted(first) == sorted(second)
        assert first != second

    serving(check, lambda: snapshot)


def test_what_the_api_says_next_is_answered_next() -> None:
    current: list[Snapshot | None] = [None]

    async def check(port: int) -> None:
        assert hear(await by_udp(WEB, port)).rcode == "SERVFAIL"
        current[0] = SNAPSHOT
        assert hear(await by_udp(WEB, port)) == FOUND
        current[0] = Snapshot()
        assert hear(await by_udp(WEB, port)).rcode == "NXDOMAIN"

    serving(check, lambda: current[0])


def test_nonsense_disturbs_nobody() -> None:
    async def check(port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for packet in (b"", b"\x00", b"\xff" * 500, WEB[:20]):
                sender.sendto(packet, ("127.0.0.1", port))
        assert hear(await by_udp(WEB, port)) == FOUND
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00\x03abc")
        assert await reader.read() == b"", "the connection is closed without an answer"
        writer.close()
        assert hear((await by_tcp([WEB], port))[0]) == FOUND

    serving(check)


def test_connections_are_bounded_and_idle_ones_end() -> None:
    async def check(port: int) -> None:
        idle, _ = await asyncio.open_connection("127.0.0.1", port)
        full, _ = await asyncio.open_connection("127.0.0.1", port)
        assert await full.read() == b"", "one too many"
        assert await idle.read() == b"", "silent for too long"
        assert hear((await by_tcp([WEB], port))[0]) == FOUND

    serving(check, settings=DnsSettings(max_connections=1, idle_timeout=0.1))


class Upstream(asyncio.DatagramProtocol):
    """Answers 198.51.100.7 to everything; with `lies`, first with another id."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dnslib.DNSRecord.parse(data)
        reply = query.reply()
        reply.add_answer(*dnslib.RR.fromZone(f"{query.q.qname} 60 IN A 198.51.100.7"))
        lie = dnslib.DNSRecord.parse(reply.pack())
        lie.header.id = query.header.id ^ 1
        self.transport.sendto(bytes(lie.pack()), addr)
        self.transport.sendto(bytes(reply.pack()), addr)


def test_foreign_names_are_asked_upstream() -> None:
    async def upstream() -> tuple[asyncio.DatagramTransport, int]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Upstream, local_addr=("127.0.0.1", 0))
        return transport, transport.get_extra_info("sockname")[1]

    async def run() -> None:
        transport, upstream_port = await upstream()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            servers = (f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{upstream_port}")
            settings = DnsSettings(upstreams=servers, upstream_timeout=0.05)
            started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(serve_dns("127.0.0.1", 0, lambda: SNAPSHOT, settings, started.set_result))
            async with asyncio.timeout(BOUND):
                port = await started
                foreign = hear(await by_udp(question("www.example.com").pack(), port))
                assert foreign.records == ("A 198.51.100.7",)
                alias = hear(await by_udp(question("docs.default.svc.cluster.local").pack(), port))
                assert alias.records == ("CNAME www.example.com.", "A 198.51.100.7")
                [refused] = await by_tcp([question("www.example.com").pack()], port)
                assert hear(refused).rcode == "SERVFAIL", "nobody listens for TCP upstream"
            task.cancel()
            await asyncio.wait({task})
        transport.close()

    asyncio.run(run())


def test_a_port_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=f"cluster DNS cannot listen on 127.0.0.1 port {port}: Address already in use"):
            asyncio.run(serve_dns("127.0.0.1", port, lambda: None))


def test_an_upstream_server_that_is_none() -> None:
    with pytest.raises(UserError, match=r'"dns\.example" is no DNS server'):
        asyncio.run(serve_dns("127.0.0.1", 0, lambda: None, DnsSettings(upstreams=("dns.example",))))
