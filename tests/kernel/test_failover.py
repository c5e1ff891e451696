"""Real agents with real speakers on a bridge; a client asks a load-balancer address 1,000 times a second through all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess

import pytest

from moorage.announce import arp
from moorage.announce.roll import CALM, DURATION, RENEW
from moorage.lab import netns_io
from moorage.model.announcing import NODES
from moorage.model.cluster import Event, Lease
from moorage.model.metallb import ServiceL2Status
from moorage.run.bench_failover import bench_failover
from moorage.run.bench_failover_lab_io import API_ADDRESS, CLIENT_ADDRESS, FailoverLab
from moorage.run.bench_failover_stats import Fault
from moorage.run.questions import ask_drain
from tests.kernel.announced import eventually, formed, nothing_lost, owner
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.questions import who_has

pytestmark = [pytest.mark.kernel, needs_root]

STRANGER = bytes.fromhex("0200000000ee")


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


def say_that_it_is_here(lab: FailoverLab) -> None:
    """A machine on the LAN that does not belong there claims the address."""
    with netns_io.inside(lab.namespace("server")):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with made:
        made.bind(("eth0", 0))
        for frame in arp.gratuitous(STRANGER, lab.addresses[0]):
            made.send(frame)


def test_a_crash_of_one_of_two_costs_about_a_second_at_most_and_the_node_gets_its_address_back() -> None:
    """The API tells them apart: one of two is no majority. `moorage bench failover` measures it."""

    async def story() -> None:
        made = await bench_failover(1, 2, Fault.CRASH, lambda text: None, unique_instance("crash"))
        assert 0.2 < made.max_s < 1.2, made
        assert made.lost_on_return == 0, made

    asyncio.run(story())


def test_two_of_three_crash_one_after_the_other() -> None:
    """Leases are renewed seldom while all is well; the one that is gone is left out as soon as if they were not."""

    async def story() -> None:
        async with formed() as lab:
            assert await eventually(lambda: is_calm(lab), 5 * CALM)
            first = await owner(lab)
            await lab.crash(first)

            async def is_left_out() -> bool:
                return set((await lab.view()).members) == set(lab.names) - {first}

            assert await eventually(is_left_out, DURATION + 3.0)
            await lab.asking.answered()
            await lab.crash(await owner(lab))
            await asyncio.sleep(1.2)
            met = await lab.asking.window()
            assert met.outage_s < 1.2, met
            assert not met.out_now

    asyncio.run(story())


async def is_calm(lab: FailoverLab) -> bool:
    """Whether each renews its Lease once at most in the next seconds. Those that formed last are in a hurry at first, and so is
    everybody for a moment where a program had to wait for a processor.
    """
    seen = [await renewals(lab)]
    for _ in range(8):
        await asyncio.sleep((CALM - RENEW) / 8)
        seen.append(await renewals(lab))
    return all(len({each[name] for each in seen}) <= 2 for name in lab.names)


async def renewals(lab: FailoverLab) -> dict[str, str]:
    return {name: (await lab.client.get(Lease, NODES.lease(name))).metadata.resource_version for name in lab.names}


async def announcers(lab: FailoverLab) -> dict[str, str]:
    """Service -> node, as the API says it."""
    found, _ = await lab.client.list(ServiceL2Status)
    return {each.status.service_name: each.status.node for each in found}


async def after_drain(lab: FailoverLab, node: str) -> dict[str, str]:
    """Service -> node, as `moorage drain --simulate` says it beforehand."""
    told = (await ask_drain(lab.client, node)).addresses
    heirs = {service.rpartition("/")[2]: heir for each in told for service in each.services for heir in each.to}
    return {**await announcers(lab), **heirs}


async def events(lab: FailoverLab, reason: str) -> set[str]:
    found, _ = await lab.client.list(Event)
    return {each.message for each in found if each.reason == reason}


def test_many_addresses_a_second_owner_an_upgrade_and_a_drain() -> None:
    """Nothing is lost in any of it. Statuses and events say who announces what, and who contradicts; what a drain does is known
    before.
    """

    async def story() -> None:
        async with formed(addresses=12) as lab:

            async def is_spread() -> bool:
                said = await announcers(lab)
                return len(said) == 12 and set(said.values()) == set(lab.names)

            assert await eventually(is_spread)
            for each in lab.addresses[:4]:
                assert len(who_has(lab.namespace("client"), each, CLIENT_ADDRESS)) == 1, each
            first = await owner(lab)
            say_that_it_is_here(lab)

            async def is_told() -> bool:
                return any(STRANGER.hex(":") in each for each in await events(lab, "AddressConflict"))

            assert await eventually(is_told)
            await lab.asking.window()
            await upgrade(lab, first)
            await nothing_lost(lab.asking)
            foretold = await after_drain(lab, first)
            assert first not in foretold.values()
            await drain(lab, first)
            await nothing_lost(lab.asking)

            async def is_handed_over() -> bool:
                return await announcers(lab) == foretold

            assert await eventually(is_handed_over)
            assert f'announcing from node "{first}" with protocol "layer2"' in await events(lab, "NodeAssigned")

    asyncio.run(story())


async def upgrade(lab: FailoverLab, node: str) -> None:
    speaker = lab.speaker(node)
    await asyncio.to_thread(lab.agents[node].stop)
    assert lab.speaker(node) == speaker, "the speaker goes on without its agent"
    await lab.agents[node].start()

    async def is_replaced() -> bool:
        return lab.speaker(node) not in (speaker, None)

    assert await eventually(is_replaced)
    assert await owner(lab) == node


async def drain(lab: FailoverLab, node: str) -> None:
    await lab.mark(node, True)

    async def has_moved() -> bool:
        return await owner(lab) != node

    assert await eventually(has_moved)
    await asyncio.to_thread(lab.agents[node].stop)
    assert lab.speaker(node) is None, "the speaker ends with its agent"


def test_the_agent_the_speaker_the_api_and_the_lan_are_lost_one_after_the_other() -> None:
    """Of the agent or the API nobody notices anything. Without its speaker or the LAN a node loses its address to another, and
    gets it back.
    """

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            lab.agents[first].kill()
            await asyncio.sleep(1.0)
            await nothing_lost(lab.asking)
            await lab.agents[first].start()
            await nothing_lost(lab.asking)
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
            deafen(lab, first)
            await asyncio.sleep(6.0)
            assert await owner(lab) == first
            await nothing_lost(lab.asking)
            rules(lab, first, "delete table ip deaf")
            await lab.link(first, False)
            await asyncio.sleep(1.2)
            met = await lab.asking.window()
            assert met.outage_s < 1.0, met
            assert await owner(lab) != first
            await lab.link(first, True)
            assert await eventually(is_back)
            assert not (await lab.asking.window()).out_now

    asyncio.run(story())


def test_the_whole_api_is_away() -> None:
    """Nobody that is alive loses its address, and one that dies is replaced by the others."""

    async def story() -> None:
        async with formed() as lab:
            first = await owner(lab)
            lab.server.kill()
            await asyncio.sleep(6.0)
            await nothing_lost(lab.asking)
            assert await owner(lab) == first
            await lab.crash(first)
            await asyncio.sleep(1.5)
            met = await lab.asking.window()
            assert met.outage_s < 1.0, met
            assert not met.out_now

    asyncio.run(story())
