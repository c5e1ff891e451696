"""Real agents with real speakers on a bridge; a client asks a load-balancer address 1,000 times a second through all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from moorage.announce import arp
from moorage.announce.roll import NODES
from moorage.lab import netns_io
from moorage.lab.plan import LAN
from moorage.model.cluster import Event, Lease
from moorage.model.metallb import ServiceL2Status
from moorage.run.bench_failover import bench_failover
from moorage.run.bench_failover_lab_io import API_ADDRESS, FailoverLab
from moorage.run.bench_failover_stats import Fault
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

SOON = 15.0
STRANGER = bytes.fromhex("0200000000ee")


@asynccontextmanager
async def formed(nodes: int = 3, addresses: int = 1) -> AsyncIterator[FailoverLab]:
    async with FailoverLab(unique_instance("fail"), nodes, addresses) as lab:
        await lab.formed()
        await lab.asking.window()
        yield lab


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = SOON) -> bool:
    end = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


async def owner(lab: FailoverLab) -> str:
    found = await lab.owner(lab.addresses[0])
    assert found is not None
    return found


async def nothing_lost(lab: FailoverLab) -> None:
    met = await lab.asking.window()
    assert (met.lost, met.out_now) == (0, False), met


def rules(lab: FailoverLab, machine: str, text: str) -> None:
    """Loads rules in a table of the test's own."""
    with netns_io.inside(lab.namespace(machine)):
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, timeout=30)


def deafen(lab: FailoverLab, machine: str) -> None:
    """Nothing comes from or goes to the API server."""
    rules(
        lab,
        machine,
        f"""table ip deaf {{
            chain out {{ type filter hook output priority 0; ip daddr {API_ADDRESS} drop; }}
            chain in {{ type filter hook input priority 0; ip saddr {API_ADDRESS} drop; }}
        }}""",
    )


def test_a_crash_costs_less_than_a_second_and_the_node_gets_its_address_back() -> None:
    async def story() -> None:
        made = await bench_failover(1, 3, Fault.CRASH, lambda text: None, unique_instance("crash"))
        assert 0.2 < made.p50_s <= made.max_s < 1.0, made
        assert made.lost_on_return == 0, made

    asyncio.run(story())


def test_drain_and_upgrade_lose_nothing_and_statuses_and_events_say_who_announces() -> None:
    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)

            async def said() -> bool:
                found, _ = await lab.client.list(ServiceL2Status)
                return [(each.status.node, each.status.service_name) for each in found] == [(await owner(lab), "failover-0")]

            assert await eventually(said)
            speaker = lab.speaker(first)
            await asyncio.to_thread(lab.agents[first].stop)
            assert lab.speaker(first) == speaker, "an upgrade leaves the speaker alone"
            await lab.agents[first].start()

            async def is_replaced() -> bool:
                return lab.speaker(first) not in (speaker, None)

            assert await eventually(is_replaced)
            assert await owner(lab) == first
            await nothing_lost(lab)
            await lab.mark(first, True)

            async def has_moved() -> bool:
                return await owner(lab) != first

            assert await eventually(has_moved)
            await asyncio.to_thread(lab.agents[first].stop)
            assert lab.speaker(first) is None, "a drained node's speaker ends with its agent"
            assert await eventually(said)
            await nothing_lost(lab)
            events, _ = await lab.client.list(Event)
            told = {each.message for each in events if each.reason == "NodeAssigned"}
            assert f'announcing from node "{first}" with protocol "layer2"' in told

    asyncio.run(story())


def test_an_agent_and_then_a_speaker_that_are_killed() -> None:
    """Without its agent a speaker goes on; a speaker that is killed is replaced, by others first."""

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            lab.agents[first].kill()
            await asyncio.sleep(1.0)
            await nothing_lost(lab)
            await lab.agents[first].start()
            await nothing_lost(lab)
            speaker = lab.speaker(first)
            assert speaker is not None
            os.kill(speaker, signal.SIGKILL)
            await asyncio.sleep(1.2)
            met = await lab.asking.window()
            assert met.outage_s < 1.0, met
            assert not met.out_now

            async def is_back() -> bool:
                return await owner(lab) == first

            assert await eventually(is_back)
            await lab.asking.answered()

    asyncio.run(story())


def test_cut_off_from_the_api_or_from_the_others() -> None:
    """Of the API alone nobody notices; of the LAN alone the address moves, and comes back."""

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            deafen(lab, first)
            await asyncio.sleep(7.0)
            assert await owner(lab) == first
            await nothing_lost(lab)
            rules(lab, first, "delete table ip deaf")
            await lab.link(first, False)
            await asyncio.sleep(1.2)
            met = await lab.asking.window()
            assert met.outage_s < 1.0, met
            assert await owner(lab) != first
            await lab.link(first, True)

            async def is_back() -> bool:
                return await owner(lab) == first

            assert await eventually(is_back)
            assert not (await lab.asking.window()).out_now

    asyncio.run(story())


def test_two_nodes_are_told_apart_by_the_api() -> None:
    async def story() -> None:
        async with formed(nodes=2) as lab:
            first = await owner(lab)
            (other,) = set(lab.names) - {first}
            await lab.crash(first)
            await asyncio.sleep(1.5)
            met = await lab.asking.window()
            assert met.outage_s < 1.2, met
            assert await owner(lab) == other
            assert (await lab.view()).members == (other,)
            await lab.revive(first)
            await lab.formed()

    asyncio.run(story())


def test_the_whole_api_is_away() -> None:
    """Nobody that is alive loses its address, and one that dies is replaced by the others."""

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            lab.server.kill()
            await asyncio.sleep(8.0)
            await nothing_lost(lab)
            assert await owner(lab) == first
            await lab.crash(first)
            await asyncio.sleep(1.5)
            met = await lab.asking.window()
            assert met.outage_s < 1.0, met
            assert not met.out_now

    asyncio.run(story())


def say_that_it_is_here(lab: FailoverLab) -> None:
    """A machine on the LAN that does not belong there claims the address."""
    with netns_io.inside(lab.namespace("server")):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with made:
        made.bind(("eth0", 0))
        for frame in arp.gratuitous(STRANGER, lab.addresses[0]):
            made.send(frame)


def test_a_second_owner_is_contradicted_and_named() -> None:
    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            say_that_it_is_here(lab)

            async def is_told() -> bool:
                events, _ = await lab.client.list(Event)
                return any(each.reason == "AddressConflict" and STRANGER.hex(":") in each.message for each in events)

            assert await eventually(is_told)
            assert await owner(lab) == first
            assert not (await lab.asking.window()).out_now

    asyncio.run(story())


def test_many_addresses_are_spread_and_each_is_answered_once() -> None:
    async def story() -> None:
        async with formed(addresses=12) as lab:
            leases, _ = await lab.client.list(Lease)
            assert {NODES.speaker(each.key) for each in leases} >= set(lab.names)

            async def is_spread() -> bool:
                found, _ = await lab.client.list(ServiceL2Status)
                services = [each.status.service_name for each in found]
                return len(services) == len(set(services)) == 12 and {each.status.node for each in found} == set(lab.names)

            assert await eventually(is_spread)
            for each in lab.addresses:
                answers = who_has(lab, str(each))
                assert len(answers) == 1, (each, answers)

    asyncio.run(story())


def who_has(lab: FailoverLab, address: str) -> set[str]:
    """The MACs that answer an ARP request within half a second."""
    with netns_io.inside(lab.namespace("client")):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETHERTYPE))
        made.bind(("eth0", arp.ETHERTYPE))
    found: set[str] = set()
    with made:
        made.settimeout(0.5)
        own, packed = bytes.fromhex("020000000064"), socket.inet_aton(address)
        head = arp.BROADCAST + own + b"\x08\x06" + bytes.fromhex("0001 0800 06 04 0001")
        made.send(head + own + LAN[100].packed + bytes(6) + packed)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                heard = arp.read(made.recv(2048))
            except TimeoutError:
                break
            if heard is not None and not heard.asks and heard.sender.packed == packed and heard.target != heard.sender:
                found.add(heard.mac.hex(":"))
    return found
