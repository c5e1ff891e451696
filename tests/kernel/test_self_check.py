"""A node asks itself through its own rules: what breaks is seen, whatever broke it, and so is that it works again."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.lab.netns_io import socket_in
from moorage.model.cluster import Event
from moorage.model.reason import Reason
from moorage.run.bench_lab import BenchPlan
from moorage.run.bench_lab_io import BenchLab
from moorage.run.forward_io import Forwarder
from moorage.run.self_check_io import Standing
from moorage.table.self_check import PORT, VIP, self_check
from moorage.table.types import ForwardingTable
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.test_metrics import of, scrape
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]

SOON = 2.0
"""Seconds within which the node has to know."""
BLOCKED = f"""table inet blocked {{
    chain output {{ type filter hook output priority 0; policy accept; tcp dport {PORT} drop; }}
}}"""
REDIRECTED = f"""table ip other {{
    chain output {{ type nat hook output priority -150; ip daddr {VIP} tcp dport {PORT} dnat to 127.0.0.1:8000; }}
}}"""
ELEMENT = f"element ip moorage frontends {{ {VIP} . tcp . {PORT} }}"


NET = Path("/proc/thread-self/net")
LISTENING = "0A"
"""As /proc/net/tcp shows it (`TCP_LISTEN`)."""


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def nft_on_node(lab: BenchLab, text: str) -> None:
    subprocess.run(lab.command(lab.node, ["nft", text]), check=True)


class Watched:
    """A node in one namespace, without a guard that would repair what is broken. `said` are its events."""

    def __init__(self) -> None:
        self.said: list[tuple[Reason, str]] = []
        self.datapath = NftDatapath()
        self.forwarder = Forwarder(self.datapath)
        self.standing = Standing(self.forwarder, self._say)

    def _say(self, reason: Reason, message: str, *, warning: bool = True) -> None:
        assert warning is (reason is Reason.SELF_CHECK_FAILED)
        self.said.append((reason, message))

    async def becomes(self, healthy: bool) -> None:
        """Within the time that is allowed for it."""
        async with asyncio.timeout(SOON):
            if self.standing.healthy is not healthy:
                assert await self.standing.changed() is healthy
        assert self.standing.health().healthy is healthy

    async def breaks(self, trouble: str) -> None:
        await self.becomes(False)
        assert trouble in self.standing.health().trouble
        assert self.said.pop() == (Reason.SELF_CHECK_FAILED, self.standing.health().trouble)

    async def heals(self) -> None:
        await self.becomes(True)
        assert self.said.pop()[0] is Reason.SELF_CHECK_PASSED


def watched(story: Callable[[Watched], Awaitable[None]]) -> Callable[[], None]:
    """The story with a node whose first check has passed."""

    async def told() -> None:
        node = Watched()
        node.datapath.start()
        checking = asyncio.create_task(node.standing.run())
        try:
            assert not node.standing.health().healthy
            node.forwarder.apply(ForwardingTable(self_check()))
            await node.becomes(True)
            assert node.said == []
            await story(node)
        finally:
            checking.cancel()
            await asyncio.wait([checking])
            node.datapath.remove()

    return lambda: asyncio.run(told())


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("self"))
    yield made
    made.close()


def test_a_missing_element_and_a_missing_program_are_seen(namespace: Namespace) -> None:
    async def story(node: Watched) -> None:
        node.forwarder.watched  # noqa: B018  the watch begins, but nobody follows it
        for broken in (f"delete {ELEMENT}", "flush chain ip moorage services-output", "delete table ip moorage"):
            nft(broken)
            await node.breaks("fails: Connection refused")
            assert node.forwarder.inspect() is not None
            await node.heals()

    namespace.run(watched(story))


def test_rules_of_others_and_impostors_are_seen(namespace: Namespace) -> None:
    async def story(node: Watched) -> None:
        nft(BLOCKED)
        await node.breaks("has no answer within 0.3 s")
        nft("delete table inet blocked")
        await node.heals()
        with socket.create_server(("127.0.0.1", 8000), backlog=100) as impostor:
            impostor.setblocking(False)
            nft(REDIRECTED)
            await node.breaks("has no answer within 0.3 s")
        await asyncio.sleep(0.6)
        assert "Connection refused" in node.standing.health().trouble
        assert node.forwarder.figures.checks_failed >= 4
        nft("delete table ip other")
        await node.heals()

    namespace.run(watched(story))


def test_a_check_leaves_next_to_nothing(namespace: Namespace) -> None:
    """No socket that waits for stragglers, and a tracked flow for ten seconds."""

    async def story(node: Watched) -> None:
        await asyncio.sleep(1.2)
        sockets = (NET / "tcp").read_text().splitlines()[1:]
        assert [each.split()[3] for each in sockets] == [LISTENING]
        flows = [each.split() for each in (NET / "nf_conntrack").read_text().splitlines()]
        assert len(flows) >= 2
        assert all(each[5] == "CLOSE" and int(each[4]) <= 10 for each in flows)

    namespace.run(watched(story))


def test_an_agent_that_cannot_reach_itself_says_so_everywhere() -> None:
    async def story() -> None:
        async with BenchLab(BenchPlan(unique_instance("self"))) as lab:
            await lab.agent.start()
            (before,) = of(await scrape(lab.node), "moorage_services")
            try:
                nft_on_node(lab, BLOCKED)
                await _until(lab, 503)
                _, body = await _asked(lab.node, "/healthz")
                assert "has no answer within 0.3 s" in str(body["trouble"])
                found = await scrape(lab.node)
                assert of(found, "moorage_self_check_healthy") == [0]
                assert of(found, "moorage_self_check_failures_total")[0] >= 2
                assert of(found, "moorage_services") == [before], "the agent's own frontend is no Service"
                assert not [labels for (_, labels) in found if ("service", "self-check") in labels]
            finally:
                nft_on_node(lab, "delete table inet blocked")
            await _until(lab, 200)
            assert of(await scrape(lab.node), "moorage_self_check_healthy") == [1]
            events, _ = await lab.client.list(Event)
            told = {each.reason for each in events if each.involved_object.kind == "Node"}
            assert {"SelfCheckFailed", "SelfCheckPassed"} <= told

    asyncio.run(story())


async def _until(lab: BenchLab, code: int) -> None:
    limit = time.monotonic() + SOON
    while (await _asked(lab.node, "/livez"))[0] != code:
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)


async def _asked(namespace: str, path: str) -> tuple[int, dict[str, object]]:
    asking = socket_in(namespace)
    await asyncio.get_running_loop().sock_connect(asking, ("127.0.0.1", 10256))
    reader, writer = await asyncio.open_connection(sock=asking)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: node\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)
