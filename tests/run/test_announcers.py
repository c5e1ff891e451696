"""A node's announcing as it is put together. The speaker is played."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from moorage.announce.wish import State, Wish
from moorage.client.fake import FakeClient
from moorage.client.mirror_io import Mirror, Want
from moorage.model.announcing import NODES, Group
from moorage.model.cluster import Lease, Node, NodeAddress, NodeStatus
from moorage.model.meta import ObjectMeta
from moorage.model.metallb import L2Advertisement
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.observe.figures import Figures
from moorage.run import announcing
from moorage.run.announcers import Announcers
from moorage.run.self_check_io import Standing
from moorage.run.tell_io import Teller
from tests.run.test_bgp import until

NODE = Node(metadata=ObjectMeta(name="a"), status=NodeStatus(addresses=(NodeAddress("InternalIP", "192.0.2.1"),)))
L2 = L2Advertisement(metadata=ObjectMeta(name="x", namespace="y"))


class PlayedSpeaker:
    def __init__(self, group: Group, name: str) -> None:
        self.runs = False
        self.state = State()
        self.news = asyncio.Event()

    def start(self) -> None:
        self.runs = True

    def say(self, wish: Wish) -> None: ...

    def let_go(self) -> None: ...

    async def end(self, wish: Callable[[], Wish], seconds: float) -> None:
        self.runs = False


class PlayedStanding(Standing):
    """Of a node whose own rules do not answer yet."""

    def __init__(self) -> None:
        self.is_healthy = False
        self.news = asyncio.Event()

    @property
    def healthy(self) -> bool:
        return self.is_healthy

    async def changed(self) -> bool:
        await self.news.wait()
        self.news.clear()
        return self.is_healthy


def test_a_node_begins_to_announce_when_its_rules_work_and_not_when_something_else_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcing, "SpeakerChild", PlayedSpeaker)

    async def story() -> None:
        client, standing = FakeClient([NODE, L2]), PlayedStanding()
        mirror = Mirror(client, [Want(each) for each in (Service, EndpointSlice, Node)])
        teller = Teller(client, "moorage-node", lambda: None)
        announcers = Announcers("a", client, mirror, teller, standing, Figures())
        running = [asyncio.create_task(each) for each in (mirror.run(), announcers.run())]
        _, changes = await mirror.next()
        announcers.moved(changes)
        await asyncio.sleep(0.2)
        assert NODES.lease("a") not in client.all(Lease)
        standing.is_healthy = True
        standing.news.set()
        await until(lambda: NODES.lease("a") in client.all(Lease), 1.0)
        for each in running:
            each.cancel()
        await asyncio.wait(running)

    asyncio.run(story())
