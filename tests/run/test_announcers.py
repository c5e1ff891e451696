"""A node's announcing as it is put together. The speaker is played."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
    """Does not run, though it is wanted, while the test says so."""

    last: PlayedSpeaker

    def __init__(self, group: Group, name: str) -> None:
        self.is_wanted = self.runs = False
        self.said = 0
        self.state = State()
        self.news = asyncio.Event()

        PlayedSpeaker.last = self

    def start(self) -> None:
        if not self.is_wanted:
            self.is_wanted = self.runs = True

    def say(self, wish: Wish) -> None:
        self.said += self.runs

    def let_go(self) -> None: ...

    async def end(self, wish: Callable[[], Wish], seconds: float) -> None:
        self.is_wanted = self.runs = False


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


Work = Callable[[FakeClient, PlayedStanding], Awaitable[None]]


def play(work: Work) -> None:
    async def story() -> None:
        client, standing = FakeClient([NODE, L2]), PlayedStanding()
        mirror = Mirror(client, [Want(each) for each in (Service, EndpointSlice, Node)])
        teller = Teller(client, "moorage-node", lambda: None)
        announcers = Announcers("a", client, mirror, teller, standing, Figures())
        running = [asyncio.create_task(each) for each in (mirror.run(), announcers.run())]
        _, changes = await mirror.next()
        announcers.moved(changes)
        await work(client, standing)
        for each in running:
            each.cancel()
        await asyncio.wait(running)

    asyncio.run(story())


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "SpeakerChild", PlayedSpeaker)


def works(standing: PlayedStanding) -> None:
    standing.is_healthy = True
    standing.news.set()


def test_a_node_begins_to_announce_when_its_rules_work_and_not_when_something_else_happens() -> None:
    async def work(client: FakeClient, standing: PlayedStanding) -> None:
        await asyncio.sleep(0.2)
        assert NODES.lease("a") not in client.all(Lease)
        works(standing)
        await until(lambda: NODES.lease("a") in client.all(Lease), 1.0)

    play(work)


def test_a_speaker_that_is_started_again_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet cluster says nothing that would call for another wish."""
    for name in ("LINKS", "RENEW"):
        monkeypatch.setattr(announcing, name, 60.0)

    async def work(client: FakeClient, standing: PlayedStanding) -> None:
        works(standing)
        speaker = PlayedSpeaker.last
        await until(lambda: speaker.said > 0 and NODES.lease("a") in client.all(Lease))
        speaker.runs = False
        await asyncio.sleep(2 * announcing.LOOK)
        speaker.runs, speaker.said = True, 0
        await until(lambda: speaker.said > 0, 3 * announcing.LOOK)

    play(work)


def test_a_speaker_that_ended_by_itself_does_not_come_back_where_nothing_is_to_be_announced_any_more() -> None:
    async def work(client: FakeClient, standing: PlayedStanding) -> None:
        works(standing)
        speaker = PlayedSpeaker.last
        await until(lambda: speaker.is_wanted)
        speaker.runs = False
        client.remove(L2Advertisement, L2.key)
        await until(lambda: not speaker.is_wanted)

    play(work)
