"""Two real edges on a bridge share an address; a client asks it 1,000 times a second through all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import pytest

from moorage.announce.roll import EDGES
from moorage.model.cluster import Event, Lease
from moorage.model.service import Service
from moorage.run.bench_objects import NAMESPACE
from tests.kernel.edge_lab import EdgeLab
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.questions import WhoHas, who_has

pytestmark = [pytest.mark.kernel, needs_root]

SOON = 15.0
MADE_UP = IPv4Address("198.18.128.0")
ME = IPv4Address("198.18.0.100")


@asynccontextmanager
async def formed(edges: int = 2, addresses: int = 1) -> AsyncIterator[EdgeLab]:
    async with EdgeLab(unique_instance("pair"), edges, addresses) as lab:
        await lab.formed()
        await lab.asking.window()
        yield lab


async def owner(lab: EdgeLab) -> str:
    found = await lab.owner(lab.addresses[0])
    assert found is not None
    return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def comes_back(lab: EdgeLab, edge: str) -> None:
    async def is_back() -> bool:
        return await owner(lab) == edge

    await until(is_back)


async def nothing_lost(lab: EdgeLab) -> None:
    met = await lab.asking.window()
    assert (met.lost, met.out_now) == (0, False), met
    assert met.asked > 100


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
                await nothing_lost(lab)
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
            assert len(who_has(lab.namespace("client"), lab.addresses[0], ME)) == 1
            await nothing_lost(lab)
            await lab.agents[first].start()
            await comes_back(lab, first)
            await nothing_lost(lab)
            lab.agents[first].kill()
            await lab.agents[first].start()
            await asyncio.sleep(1.0)
            assert await owner(lab) == first
            await nothing_lost(lab)

    asyncio.run(story())


def test_addresses_are_spread_and_the_api_says_by_whom() -> None:
    async def story() -> None:
        async with formed(addresses=8) as lab:

            async def is_told() -> bool:
                said = {each.message for each in (await lab.client.list(Event))[0] if each.reason == "NodeAssigned"}
                return said == {f'announcing from edge "{each}" with protocol "layer2"' for each in lab.names}

            await until(is_told)
            await asyncio.sleep(1.0)
            client = lab.namespace("client")
            macs = [who_has(client, each, ME) for each in lab.addresses]
            assert all(len(each) == 1 for each in macs), macs
            assert set.union(*macs) == {lab.mac(each) for each in lab.names}
            leases = {each.key for each in (await lab.client.list(Lease))[0]}
            assert {EDGES.view, *map(EDGES.lease, lab.names)} <= leases

    asyncio.run(story())


def test_a_single_edge_works_alone_at_once_and_gives_up_what_no_service_has() -> None:
    async def story() -> None:
        async with formed(edges=1) as lab:
            await nothing_lost(lab)
            (service,) = (await lab.client.list(Service, NAMESPACE))[0]
            await lab.client.delete(Service, service.key)

            async def is_given_up() -> bool:
                return not who_has(lab.namespace("client"), lab.addresses[0], ME)

            await until(is_given_up)

    asyncio.run(story())
