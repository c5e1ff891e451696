"""Real connections through a real HAProxy: servers that read the PROXY header see the client, and changes drop nobody."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from moorage.balance.haproxy import Proxy
from moorage.balance.haproxy_io import Haproxy
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.errors import HostError
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
from moorage.model.reason import Reason
from moorage.table.types import AddressKind, Backend, Choice, ForwardingTable, Frontend, FrontendAddress
from tests.kernel.clients import Clients
from tests.kernel.needs import needs_root
from tests.kernel.topology import CLIENT, Namespace, Topology, backend_address
from tests.table.objects import net

pytestmark = [
    pytest.mark.kernel,
    needs_root,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: run scripts/system-packages"),
]

VIP: dict[Family, Address] = {Family.IPV4: ip_address("198.18.100.1"), Family.IPV6: ip_address("2001:db8:1::1")}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
NODE_PORT = 30080


class ProxiedServer:
    """Reads a PROXY header, then answers each read with its name, the client, and where the client connected to."""

    def __init__(self, namespace: Namespace, family: Family, name: str) -> None:
        self._name = name
        self._listening = namespace.open_socket(family, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((str(backend_address(family, int(name[1:]))), NODE_PORT))
        self._listening.listen(64)
        self._listening.settimeout(None)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(accepted,), daemon=True).start()

    def _talk(self, accepted: socket.socket) -> None:
        with closing(accepted):
            accepted.settimeout(20)
            head = accepted.recv(16, socket.MSG_WAITALL)
            if len(head) < 16:
                return
            assert head[:12] == SIGNATURE
            command, family, length = struct.unpack(">BBH", head[12:])
            assert command == 0x21, "version 2, PROXY"
            told = _read(accepted.recv(length, socket.MSG_WAITALL), family)
            while accepted.recv(200):
                accepted.send(f"{self._name} {told}".encode())


def _read(rest: bytes, family: int) -> str:
    size = {0x11: 4, 0x21: 16}[family]
    source, destination = ip_address(rest[:size]), ip_address(rest[size : 2 * size])
    ports = struct.unpack(">HH", rest[2 * size : 2 * size + 4])
    return f"{source} {ports[0]} {destination} {ports[1]}"


@pytest.fixture(scope="module")
def edge() -> Iterator[Topology]:
    with Topology(backends=2) as made:
        servers = [
            ProxiedServer(backend, family, f"b{number}") for number, backend in enumerate(made.backends, 2) for family in Family
        ]
        yield made
        for each in servers:
            each.close()


@pytest.fixture(autouse=True)
def addresses(edge: Topology) -> None:
    for family in Family:
        edge.node.run(partial(_own, family))


def _own(family: Family) -> None:
    subprocess.run(["ip", "addr", "replace", f"{VIP[family]}/{family.bits}", "dev", "lan"], check=True)


def proxy(family: Family, *usable: int, port: int = 80) -> Proxy:
    servers = tuple(Backend.at(backend_address(family, number), NODE_PORT) for number in (2, 3))
    chosen = frozenset(Backend.at(backend_address(family, number), NODE_PORT).endpoint for number in usable)
    return Proxy(FrontendAddress(VIP[family], Protocol.TCP, port), servers, chosen)


Story = Callable[[Haproxy], Coroutine[Any, Any, None]]


def play(edge: Topology, directory: Path, story: Story, ended: Callable[[], None] = lambda: None) -> None:
    """On the load balancer's machine, with an HAProxy that is ended afterwards."""

    async def told() -> None:
        haproxy = Haproxy(directory / "haproxy", ended)
        try:
            await story(haproxy)
        finally:
            await haproxy.close()
        assert not (directory / "haproxy").exists()

    edge.node.run(lambda: asyncio.run(told()))


@pytest.mark.parametrize("family", Family)
def test_a_server_is_told_the_client_and_where_it_connected_to(edge: Topology, tmp_path: Path, family: Family) -> None:
    async def story(haproxy: Haproxy) -> None:
        await haproxy.apply((proxy(family, 2, 3),))
        answer = await asyncio.to_thread(edge.client.ask, VIP[family], 80)
        name, source, _, destination, port = answer.split()
        assert name in ("b2", "b3")
        assert (source, destination, port) == (str(CLIENT[family]), str(VIP[family]), "80")

    play(edge, tmp_path, story)


def test_a_new_configuration_drops_no_connection_and_refuses_none(edge: Topology, tmp_path: Path) -> None:
    async def story(haproxy: Haproxy) -> None:
        first = proxy(Family.IPV4, 2, 3)
        await haproxy.apply((first,))
        held = await asyncio.to_thread(_connect, edge)
        pid = haproxy.pid
        with closing(held), Clients((edge.client, VIP[Family.IPV4], 80), pause=0.002) as clients:
            for port in (81, 82, 83):
                await haproxy.apply((first, proxy(Family.IPV4, 2, 3, port=port)))
                assert (await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], port)).startswith("b")
            assert await asyncio.to_thread(_exchange, held)
            await asyncio.to_thread(clients.__exit__)
        assert haproxy.pid == pid
        assert clients.failed == []
        assert len(clients.asked) > 20

    play(edge, tmp_path, story)


def test_a_node_that_goes_gets_no_new_connection_and_keeps_the_old(edge: Topology, tmp_path: Path) -> None:
    async def story(haproxy: Haproxy) -> None:
        await haproxy.apply((proxy(Family.IPV4, 2),))
        held = await asyncio.to_thread(_connect, edge)
        with closing(held):
            worker = await haproxy._worker()
            await haproxy.apply((proxy(Family.IPV4, 3),))
            answers = {(await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 80)).split()[0] for _ in range(10)}
            assert answers == {"b3"}
            assert (await asyncio.to_thread(_exchange, held)).startswith("b2 ")
            assert await haproxy._worker() == worker, "no new process"

    play(edge, tmp_path, story)


def test_the_kernel_decides_who_gets_to_haproxy(edge: Topology, tmp_path: Path) -> None:
    """It drops clients that are not let in, and refuses all while there is no node to use."""
    match, datapath = FrontendAddress(VIP[Family.IPV4], Protocol.TCP, 80), NftDatapath()

    def left(*sources: str, reason: Reason = Reason.PROXIED) -> ForwardingTable:
        choice, nets = Choice((), reason), tuple(map(net, sources))
        return ForwardingTable({Key("default", "web"): (Frontend(match, AddressKind.LOAD_BALANCER, choice, sources=nets),)})

    async def story(haproxy: Haproxy) -> None:
        await haproxy.apply((proxy(Family.IPV4, 2),))
        datapath.start()
        try:
            for table in (left(), left("198.18.0.0/24")):
                datapath.apply(table)
                assert (await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 80)).startswith("b2 ")
            datapath.apply(left("192.0.2.0/24"))
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 80, timeout=0.3)
            datapath.apply(left(reason=Reason.NO_HEALTHY_NODE))
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 80)
        finally:
            datapath.remove()

    play(edge, tmp_path, story)


def test_one_that_dies_is_told_and_started_again(edge: Topology, tmp_path: Path) -> None:
    ended: list[bool] = []

    async def story(haproxy: Haproxy) -> None:
        await haproxy.apply((proxy(Family.IPV4, 2),))
        assert haproxy.pid is not None
        os.kill(haproxy.pid, signal.SIGKILL)
        assert await asyncio.to_thread(_eventually, lambda: bool(ended))
        await haproxy.apply((proxy(Family.IPV4, 2),))
        assert (await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 80)).startswith("b2 ")

    play(edge, tmp_path, story, lambda: ended.append(True))


def test_a_taken_port_is_named_and_the_others_are_served(edge: Topology, tmp_path: Path) -> None:
    async def story(haproxy: Haproxy) -> None:
        first = proxy(Family.IPV4, 2)
        await haproxy.apply((first,))
        with closing(_listener(VIP[Family.IPV4], 81)):
            with pytest.raises(HostError, match=r"another program of this machine listens at 198\.18\.100\.1:81/tcp"):
                await haproxy.apply((first, proxy(Family.IPV4, 2, port=81), proxy(Family.IPV4, 2, port=82)))
            for port in (80, 82):
                assert (await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], port)).startswith("b2 ")
        await haproxy.apply((first, proxy(Family.IPV4, 2, port=81)))
        assert (await asyncio.to_thread(edge.client.ask, VIP[Family.IPV4], 81)).startswith("b2 ")

    play(edge, tmp_path, story)


def _listener(address: Address, port: int) -> socket.socket:
    return socket.create_server((str(address), port))


def _eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    limit = time.monotonic() + seconds
    while not true() and time.monotonic() < limit:
        time.sleep(0.02)
    return true()


def _connect(edge: Topology) -> socket.socket:
    made = edge.client.open_socket(Family.IPV4, socket.SOCK_STREAM)
    made.connect((str(VIP[Family.IPV4]), 80))
    _exchange(made)
    return made


def _exchange(held: socket.socket) -> str:
    held.send(b"?")
    return held.recv(200).decode()
