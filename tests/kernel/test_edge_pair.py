"""Two real edges on a bridge share an address; a client asks it 1,000 times a second through all of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address

import pytest

from moorage.announce.accepting_io import LOOK, TABLE
from moorage.lab import netns_io
from moorage.model.announcing import EDGES
from moorage.model.cluster import Event, Lease
from moorage.model.service import Service
from moorage.run.bench_failover_lab_io import CLIENT_ADDRESS
from moorage.run.bench_lab import PORT, TARGET_PORT
from moorage.run.bench_objects import NAMESPACE
from moorage.table.ingress import PROXY_ANNOTATION, PROXY_VERSION
from tests.kernel.announced import eventually, nothing_lost, owner
from tests.kernel.clients import Clients
from tests.kernel.edge_lab import EdgeLab
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.questions import WhoHas, who_has
from tests.kernel.topology import Entered

pytestmark = [pytest.mark.kernel, needs_root]

MADE_UP = IPv4Address("198.18.128.0")


@asynccontextmanager
async def formed(edges: int = 2, addresses: int = 1) -> AsyncIterator[EdgeLab]:
    instance = unique_instance("pair")
    async with EdgeLab(instance, edges, addresses) as lab:
        await lab.formed()
        await lab.asking.window()
        yield lab
    assert not list(netns_io.DIRECTORY.glob(f"{instance}-*")), "namespaces are left"


async def comes_back(lab: EdgeLab, edge: str) -> None:
    async def is_back() -> bool:
        return await owner(lab) == edge

    assert await eventually(is_back)


def test_a_crash_costs_about_a_second_at_most_and_no_moment_has_two_owners() -> None:
    """The return of the one that crashed loses nothing."""

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            with WhoHas(lab.namespace("client"), lab.addresses[0], MADE_UP) as asking:
                await lab.crash(first)
                await asyncio.sleep(1.5)
                met = await lab.asking.window()
                assert 0.2 < met.outage_s < 1.2, met
                assert not met.out_now
                assert await owner(lab) != first
                await lab.revive(first)
                await comes_back(lab, first)
                await nothing_lost(lab.asking)
            answers = asking.answers
            assert max(map(len, answers)) == 1, "two answered the same question"
            assert set.union(*answers) == {lab.mac(each) for each in lab.names}
            assert len(answers) > 100

    asyncio.run(story())


def test_a_planned_end_and_the_next_start_lose_nothing() -> None:
    """One that ends hands over and leaves the view, so that the other is a majority by itself; one whose agent is killed keeps
    its addresses for the next run.
    """

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            await asyncio.to_thread(lab.agents[first].stop)
            assert lab.speaker(first) is None
            assert (await lab.view()).members == tuple(each for each in lab.names if each != first)
            assert len(who_has(lab.namespace("client"), lab.addresses[0], CLIENT_ADDRESS)) == 1
            await nothing_lost(lab.asking)
            await lab.agents[first].start()
            await comes_back(lab, first)
            await nothing_lost(lab.asking)
            lab.agents[first].kill()
            await lab.agents[first].start()
            await asyncio.sleep(1.0)
            assert await owner(lab) == first
            await nothing_lost(lab.asking)

    asyncio.run(story())


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: run scripts/system-packages")
def test_haproxy_serves_until_its_addresses_are_handed_over() -> None:
    """A connection that is under way at that moment may end; none is refused, and none waits."""

    async def story() -> None:
        async with formed() as lab:
            (service,) = (await lab.client.list(Service, NAMESPACE))[0]
            await lab.client.merge_patch(Service, service.key, {"metadata": {"annotations": {PROXY_ANNOTATION: PROXY_VERSION}}})
            with (
                closing(Entered(lab.namespace("server"))) as server,
                closing(Entered(lab.namespace("client"))) as client,
                closing(proxied(server)) as listening,
            ):
                first = await owner(lab)
                assert await eventually(lambda: asyncio.to_thread(told, client, lab.addresses[0]))
                await asyncio.sleep(1.0)
                with Clients((client, lab.addresses[0], PORT), pause=0.002) as clients:
                    await asyncio.to_thread(lab.agents[first].stop)
                    await lab.agents[first].start()
                    await comes_back(lab, first)
                    await asyncio.sleep(0.5)
                listening.shutdown(socket.SHUT_RDWR)
            assert len(clients.failed) <= 2, clients.failed
            assert not any("refused" in each for each in clients.failed), clients.failed
            assert max(each.until - each.since for each in clients.asked) < 0.9
            assert len(clients.asked) > 300
            assert {each.answer for each in clients.asked} == {str(CLIENT_ADDRESS)}

    asyncio.run(story())


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: run scripts/system-packages")
def test_haproxy_serves_again_where_others_took_the_rules_away() -> None:
    """As systemd-networkd does when it starts. Nothing changes in the cluster meanwhile."""

    async def story() -> None:
        async with formed(edges=1) as lab:
            (service,) = (await lab.client.list(Service, NAMESPACE))[0]
            await lab.client.merge_patch(Service, service.key, {"metadata": {"annotations": {PROXY_ANNOTATION: PROXY_VERSION}}})
            with (
                closing(Entered(lab.namespace("server"))) as server,
                closing(Entered(lab.namespace("client"))) as client,
                closing(Entered(lab.namespace(await owner(lab)))) as edge,
                closing(proxied(server)) as listening,
            ):
                assert await eventually(lambda: asyncio.to_thread(told, client, lab.addresses[0]))
                for _ in range(2):
                    edge.run(lambda: subprocess.run(["ip", "rule", "del", "table", f"{TABLE}"], check=True))
                assert await eventually(lambda: asyncio.to_thread(told, client, lab.addresses[0]), LOOK + 10.0)
                listening.shutdown(socket.SHUT_RDWR)

    asyncio.run(story())


def proxied(server: Entered) -> socket.socket:
    """Tells whoever connects what the PROXY header says of its client. Source: proxy-protocol.txt section 2.2."""

    def answer() -> None:
        while True:
            try:
                came, _ = listening.accept()
            except OSError:
                return
            with came:
                head = came.recv(28, socket.MSG_WAITALL)
                if came.recv(1):
                    came.send(socket.inet_ntoa(head[16:20]).encode())

    listening = server.run(lambda: socket.create_server(("", TARGET_PORT), backlog=128))
    threading.Thread(target=answer, daemon=True).start()
    return listening


def told(client: Entered, address: IPv4Address) -> bool:
    try:
        return client.ask(address, PORT) == str(CLIENT_ADDRESS)
    except OSError:
        return False


def test_addresses_are_spread_and_the_api_says_by_whom() -> None:
    async def story() -> None:
        async with formed(addresses=8) as lab:

            async def is_told() -> bool:
                said = {each.message for each in (await lab.client.list(Event))[0] if each.reason == "NodeAssigned"}
                return said == {f'announcing from edge "{each}" with protocol "layer2"' for each in lab.names}

            assert await eventually(is_told)
            await asyncio.sleep(1.0)
            client = lab.namespace("client")
            macs = [who_has(client, each, CLIENT_ADDRESS) for each in lab.addresses]
            assert all(len(each) == 1 for each in macs), macs
            assert set.union(*macs) == {lab.mac(each) for each in lab.names}
            leases = {each.key for each in (await lab.client.list(Lease))[0]}
            assert {EDGES.view, *map(EDGES.lease, lab.names)} <= leases

    asyncio.run(story())


def test_a_single_edge_works_alone_at_once_and_gives_up_what_no_service_has() -> None:
    async def story() -> None:
        async with formed(edges=1) as lab:
            await nothing_lost(lab.asking)
            (service,) = (await lab.client.list(Service, NAMESPACE))[0]
            await lab.client.delete(Service, service.key)

            async def is_given_up() -> bool:
                return not who_has(lab.namespace("client"), lab.addresses[0], CLIENT_ADDRESS)

            assert await eventually(is_given_up)

    asyncio.run(story())
