"""A node's agent ends, dies and is replaced, and the API server is away: traffic goes on, and nothing is taken away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
import pytest

from moorage.datapath.nft.watch_io import TableWatch
from moorage.model.net import Family
from moorage.model.service import Service, ServiceSpec
from moorage.model.slices import EndpointPort, EndpointSlice
from moorage.run.bench_lab import NODE_ADDRESS, PORT, BenchPlan, backend, service, slices
from moorage.run.bench_lab_io import BenchLab
from moorage.run.lab_node import healthy
from moorage.run.server_process import ServerProcess
from tests.kernel.clients import Clients, Held, Way
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Echo, Entered

pytestmark = [pytest.mark.kernel, needs_root]

NAME = "web"
ECHO_PORT = 9090
"""Where the backends answer on connections that stay open; on 8080 the lab answers once."""
BACKENDS = [backend(number) for number in range(5)]
CONVERGED = 20.0
"""Seconds within which the agent has to follow an API server that was away."""
PAUSE = 0.005
"""Of clients: the lab's have 8,192 source ports."""


class Scene:
    """A Service with two endpoints, a node with its agent, and ways from a Pod, from the node and from outside."""

    def __init__(self, lab: BenchLab, made: Service, entered: list[Entered]) -> None:
        self.lab = lab
        self.node, inside, outside = entered
        address = ip_address(made.spec.cluster_ip)
        self.datagrams: Way = (inside, address, PORT)
        self.ways: list[Way] = [
            (inside, address, PORT),
            (self.node, address, PORT),
            (outside, NODE_ADDRESS, made.spec.ports[0].node_port),
        ]

    async def publish(self, *numbers: int) -> None:
        """These are the endpoints from now on; returns once the last of them is met."""
        await self.lab.client.update(endpoints(*numbers))
        namespace, address, port = self.ways[0]
        limit = time.monotonic() + CONVERGED
        while namespace.ask(address, port).split()[0] != BACKENDS[numbers[-1]]:
            assert time.monotonic() < limit, self.lab.agent.last_words()
            await asyncio.sleep(0.01)

    async def goes_on(self, clients: Clients, *held: Held) -> None:
        """New connections and open ones."""
        before = len(clients.asked)
        limit = time.monotonic() + 10
        while len(clients.asked) < before + 30:
            assert time.monotonic() < limit
            await asyncio.sleep(0.01)
        for each in held:
            assert each.exchange() == each.answers


def endpoints(*numbers: int) -> EndpointSlice:
    (made,) = slices(NAME, tuple(BACKENDS[number] for number in numbers), udp=True)
    ports: tuple[EndpointPort, ...] = tuple(msgspec.structs.replace(each, port=ECHO_PORT) for each in made.ports)
    return msgspec.structs.replace(made, ports=ports)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with BenchLab(BenchPlan(unique_instance("out"))) as lab:
        names = (lab.backends, lab.node, lab.inside, lab.outside)
        with closing(Echo()) as echo, all_entered(names) as (backends, *entered):
            for address in BACKENDS:
                echo.listen(backends, Family.IPV4, address, ECHO_PORT, address)
            made = await lab.client.create(service(NAME, ServiceSpec(type="NodePort"), udp=True))
            await lab.client.create(endpoints(0, 1))
            await lab.agent.start()
            yield Scene(lab, made, entered)


def same_server(lab: BenchLab) -> ServerProcess:
    """With the data and the address of the one before."""
    listen = urlsplit(lab.client.access.server).netloc
    return ServerProcess(lab.server.kubeconfig.parent, listen=listen, prefix=lab.command(lab.node, ()))


@contextmanager
def all_entered(names: Sequence[str]) -> Iterator[list[Entered]]:
    entered = [Entered(name) for name in names]
    yield entered
    for each in entered:
        each.close()


WHAT = "deleted an element of", "added an element to"
MOVED = {f"{what} {space}backends" for what in WHAT for space in ("", "node_port_")}
"""All that is done where an endpoint is another one."""


def told(watch: TableWatch) -> set[str]:
    """What was done to the tables since the last call."""
    found, complete = watch.read(())
    assert complete
    return {change.partition(" (")[0] for each in found for change in each.changes}


def program() -> dict[str, set[str]]:
    """Every object of the tables, and what the maps and sets hold that the agent fills."""
    listed = json.loads(subprocess.check_output(["nft", "--json", "list", "ruleset"]))["nftables"]
    found: dict[str, set[str]] = {}
    for entry in listed[1:]:
        ((kind, each),) = entry.items()
        elements = each.pop("elem", ())
        if "stmt" in each or "dynamic" in each.get("flags", ()):
            elements = ()
        found[json.dumps({kind: each}, sort_keys=True)] = {json.dumps(element) for element in elements}
    return found


def alter_layout() -> None:
    """Makes the installed program one of another version, which serves as the one of today does."""
    for family in ("ip", "ip6"):
        listing = ["nft", "list", "table", family, "moorage"]
        listed = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        text = f"delete table {family} moorage\n" + listed.replace("moorage layout", "older layout")
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def test_an_agent_ends_dies_and_is_replaced() -> None:
    """Connections are made all the time; each one succeeds, and those that are open stay with their backends."""

    async def story() -> None:
        async with scene() as here:
            lab = here.lab
            watch = here.node.run(lambda: TableWatch("moorage"))
            with (
                closing(watch),
                Held(*here.ways, *here.ways) as held,
                Held(here.datagrams, kind=socket.SOCK_DGRAM) as flow,
                Clients(*here.ways, pause=PAUSE) as clients,
            ):
                before = here.node.run(program)
                for end in (lab.agent.stop, lab.agent.kill):
                    end()
                    await here.goes_on(clients, held, flow)
                    await lab.agent.start()
                    await here.goes_on(clients, held, flow)
                assert here.node.run(program) == before
                told(watch)
                for number in (2, 3, 4):
                    await lab.client.update(endpoints(0, number))
                    lab.agent.kill()
                    await lab.agent.start()
                    await here.publish(0, number)
                lab.agent.kill()
                with clients.held_back():
                    here.node.run(alter_layout)
                await lab.agent.start()
                await here.goes_on(clients, held)
                assert b"older layout" not in here.node.run(lambda: subprocess.check_output(["nft", "list", "ruleset"]))
            assert clients.failed == []

    asyncio.run(story())


def test_the_api_server_is_away() -> None:
    """It hangs, and later it is killed. What changes then is followed once it is back, and nothing else is touched."""

    async def story() -> None:
        async with scene() as here:
            lab = here.lab
            watch = here.node.run(lambda: TableWatch("moorage"))
            with closing(watch), Held(*here.ways) as held, Clients(*here.ways, pause=PAUSE) as clients:

                async def away() -> None:
                    for _ in range(3):
                        await asyncio.sleep(0.5)
                        await here.goes_on(clients, held)
                        assert lab.agent.runs
                        assert await healthy(lab.node)

                os.kill(lab.server.pid, signal.SIGSTOP)
                await away()
                os.kill(lab.server.pid, signal.SIGCONT)
                await here.publish(0, 2)
                lab.server.kill()
                await away()
                assert told(watch) == MOVED
                with same_server(lab):
                    await here.publish(0, 3)
                    await here.goes_on(clients, held)
                    assert told(watch) == MOVED
                assert lab.agent.runs
            assert clients.failed == []

    asyncio.run(story())
