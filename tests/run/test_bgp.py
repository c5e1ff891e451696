"""What a node's BGP does with its health, its peers and its end. The sessions themselves are played."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_network
from typing import Any, Self

import pytest
import structlog
from msgspec.structs import replace

from moorage.announce import bgp_io
from moorage.announce.bgp_io import PeerState
from moorage.announce.bgp_peers import Session
from moorage.announce.bgp_routes import Route
from moorage.announce.roll import own_lease
from moorage.client.fake import FakeClient
from moorage.client.mirror_io import Mirror
from moorage.model.announcing import NODES
from moorage.model.cluster import TO_BE_DELETED_TAINT, Event, Lease, Node, Taint
from moorage.model.config import Secret
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.metallb import BGPAdvertisement, BGPPeer, BGPPeerSpec, SecretReference, ServiceBGPStatus
from moorage.model.net import Prefix
from moorage.model.snapshot import Snapshot
from moorage.observe.figures import Figures
from moorage.run import bgp as module
from moorage.run import bgp_passwords, status_keeper
from moorage.run.announcements import WANTS, follow
from moorage.run.bgp import BGP
from moorage.run.tell_io import Teller
from tests.announce.test_bgp_peers import secret, worker
from tests.announce.test_selection import announced, slice_
from tests.control.things import pool

NAMESPACE = "metallb-system"
TOR = Key(NAMESPACE, "tor")
HOST = ip_network("192.0.2.1/32")


class PlayedSpeaker:
    """Sends everything at once."""

    made: list[PlayedSpeaker]

    def __init__(self, say: Callable[..., None], changed: Callable[[], None]) -> None:
        self.changed = changed
        self.sessions: Mapping[Key, Session] = {}
        self.routes: Mapping[Key, Mapping[Prefix, Route]] = {}
        self.left: list[bool] = []
        self.followed = 0
        PlayedSpeaker.made.append(self)

    async def __aenter__(self) -> Self:
        return self

    @property
    def states(self) -> Mapping[Key, PeerState]:
        return {key: PeerState(True, frozenset(self.routes.get(key, {})), 1) for key in self.sessions}

    def follow(self, sessions: Mapping[Key, Session], routes: Mapping[Key, Mapping[Prefix, Route]]) -> None:
        self.sessions, self.routes = sessions, routes
        self.followed += 1
        self.changed()

    async def leave(self, *, hold: bool) -> None:
        self.left.append(hold)
        self.routes = {}


class Scene:
    """A node with a Service, a pool, an advertisement and what a test adds."""

    def __init__(self, *objects: Object) -> None:
        self.healthy = True
        self.others = Snapshot.of([worker("198.18.0.11"), announced(), slice_("one")])
        advertisement = BGPAdvertisement(metadata=ObjectMeta(name="all", namespace=NAMESPACE))
        self.client = FakeClient([pool("lan", "192.0.2.0/24"), advertisement, *objects])
        self.figures = Figures()
        self.teller = Teller(self.client, "moorage-node", lambda: None)
        self.mirror = Mirror(self.client, WANTS)
        self.bgp = BGP("one", self.client, self.teller, self.snapshot, lambda: self.healthy, self.figures)

    def snapshot(self) -> Snapshot | None:
        own = self.mirror.snapshot
        return Snapshot({**self.others.by_type, **own.by_type}) if self.mirror.synced else None

    @property
    def speaker(self) -> PlayedSpeaker:
        return PlayedSpeaker.made[0]

    @property
    def prefixes(self) -> set[Prefix]:
        return set(self.speaker.routes.get(TOR, {}))

    @property
    def statuses(self) -> list[tuple[str, ...]]:
        return [each.status.peers for each in self.client.all(ServiceBGPStatus).values()]

    def with_node(self, node: Node) -> None:
        self.others = self.others.with_objects(Node, {node.key: node})
        self.bgp.look_again()


def tor(**spec: object) -> BGPPeer:
    given: dict[str, Any] = {"my_asn": 64512, "peer_asn": 64513, "peer_address": "198.18.0.1", "peer_port": 179, **spec}
    return BGPPeer(metadata=ObjectMeta(name="tor", namespace=NAMESPACE), spec=BGPPeerSpec(**given))


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    for _ in range(round(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    PlayedSpeaker.made = []
    monkeypatch.setattr(bgp_io, "BGPSpeaker", PlayedSpeaker)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(status_keeper, "PAUSE", 0.01)
    monkeypatch.setattr(status_keeper, "RETRY", 0.05)


def play(scene: Scene, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        works = (scene.mirror.run(), follow(scene.mirror, scene.bgp.moved), scene.bgp.run(), scene.teller.run())
        running = [asyncio.create_task(each) for each in works]
        try:
            await work()
        finally:
            for each in running:
                each.cancel()
            await asyncio.wait(running)
        assert all(each.cancelled() for each in running)

    asyncio.run(run())


def test_nothing_runs_without_a_peer_for_the_node() -> None:
    scene = Scene()

    async def work() -> None:
        await asyncio.sleep(0.1)
        assert PlayedSpeaker.made == []
        scene.client.put(tor())
        await until(lambda: PlayedSpeaker.made and scene.prefixes == {HOST})
        assert [str(each.address) for each in scene.speaker.sessions.values()] == ["198.18.0.1"]

    play(scene, work)


def test_an_unhealthy_node_keeps_its_sessions_and_takes_its_routes_back() -> None:
    scene = Scene(tor())

    async def work() -> None:
        await until(lambda: PlayedSpeaker.made and scene.prefixes == {HOST})
        scene.healthy = False
        await until(lambda: scene.prefixes == set())
        assert set(scene.speaker.sessions) == {TOR}
        scene.healthy = True
        await until(lambda: scene.prefixes == {HOST})

    play(scene, work)


def test_a_node_that_never_forwarded_opens_no_session() -> None:
    """A peer with graceful restart would take its first, empty table for the whole of it."""
    scene = Scene(tor())
    scene.healthy = False

    async def work() -> None:
        scene.bgp.look_again()
        await asyncio.sleep(0.1)
        assert PlayedSpeaker.made == []

    play(scene, work)


@pytest.mark.parametrize(("healthy", "taints", "hold"), [(True, False, True), (False, False, False), (True, True, False)])
def test_only_a_healthy_node_that_stays_leaves_its_routes_in_place(healthy: bool, taints: bool, hold: bool) -> None:
    scene = Scene(tor())

    async def work() -> None:
        await until(lambda: PlayedSpeaker.made and scene.statuses == [("tor",)])
        scene.healthy = healthy
        if taints:
            node = worker("198.18.0.11")
            going = (Taint(key=TO_BE_DELETED_TAINT, effect="NoSchedule"),)
            scene.with_node(replace(node, spec=replace(node.spec, taints=going)))
            await asyncio.sleep(0.1)

    play(scene, work)
    assert scene.speaker.left == [hold]
    assert scene.statuses == []


def test_the_api_tells_what_is_announced() -> None:
    scene = Scene(tor())

    async def work() -> None:
        await until(lambda: scene.statuses == [("tor",)])
        assert scene.figures.bgp_peers["metallb-system/tor"].prefixes == 1
        scene.client.remove(BGPPeer, TOR)
        await until(lambda: scene.statuses == [])
        assert scene.figures.bgp_peers == {}

    play(scene, work)


def test_a_status_that_could_not_be_written_is_written_later() -> None:
    scene = Scene(tor())
    scene.client.fail("create", HostError("away"), ServiceBGPStatus)
    scene.client.fail("list", HostError("away"), ServiceBGPStatus)

    async def work() -> None:
        await until(lambda: scene.statuses == [("tor",)])

    play(scene, work)


def test_a_password_is_read_by_name_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp_passwords, "SECONDS", 0.02)
    scene = Scene(tor(password_secret=SecretReference(name="tor")))

    async def work() -> None:
        await until(lambda: any(each.reason == "PasswordMissing" for each in scene.client.all(Event).values()))
        assert scene.speaker.sessions == {}
        for word in ("one", "two"):
            scene.client.put(secret(word))
            await until(lambda word=word: [each.password for each in scene.speaker.sessions.values()] == [word])  # type: ignore[misc]
        scene.client.remove(Secret, secret("two").key)
        await until(lambda: scene.speaker.sessions == {})

    play(scene, work)
    assert all(call.verb == "get" for call in scene.client.calls if call.type is Secret)


REFUSALS = (HostError("away"), ApiError(403, "Forbidden", "not yet"), ApiError(503, "ServiceUnavailable", "it starts"))


def test_a_password_that_cannot_be_read_for_a_moment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the session nor the peer's password is touched; it is said once, however often it is tried."""
    monkeypatch.setattr(bgp_passwords, "SECONDS", 0.02)
    monkeypatch.setattr(bgp_passwords, "RETRY", 0.01)
    scene = Scene(tor(password_secret=SecretReference(name="tor")), secret("one"))

    async def work() -> None:
        await until(lambda: passwords(scene) == ["one"])
        before = scene.speaker.followed
        for error in REFUSALS:
            scene.client.fail("get", error, Secret, times=2)
        scene.client.put(secret("two"))
        await until(lambda: passwords(scene) != ["one"])
        assert passwords(scene) == ["two"]
        assert scene.speaker.followed == before + 1

    with structlog.testing.capture_logs() as logs:
        play(scene, work)
    assert [each["secret"] for each in logs if "password" in each["event"]] == ["metallb-system/tor"]


def test_a_password_that_cannot_be_read_at_first_is_read_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only after the half minute between two reads."""
    monkeypatch.setattr(bgp_passwords, "RETRY", 0.01)
    scene = Scene(tor(password_secret=SecretReference(name="tor")), secret("one"))
    for error in REFUSALS:
        scene.client.fail("get", error, Secret)

    async def work() -> None:
        await until(lambda: passwords(scene) == ["one"])
        await until(lambda: scene.client.all(Event))

    play(scene, work)
    assert [each.reason for each in scene.client.all(Event).values()] == ["PasswordMissing"], "of the server that refuses"


def passwords(scene: Scene) -> list[str]:
    return [each.password for made in PlayedSpeaker.made for each in made.sessions.values()]


def test_a_lease_that_is_renewed_is_nothing_to_bgp() -> None:
    """Those of announcing nodes are all the time; to judge 5,000 Services takes a third of a second."""
    scene = Scene(tor())

    async def work() -> None:
        await until(lambda: PlayedSpeaker.made and scene.prefixes == {HOST})
        before = scene.speaker.followed
        for number in range(3):
            scene.client.put(own_lease(NODES, "two", [], float(number), None))
            await asyncio.sleep(0.05)
        assert len(scene.mirror.snapshot.all(Lease)) == 1
        assert scene.speaker.followed == before

    play(scene, work)


def test_a_problem_is_told_once() -> None:
    scene = Scene(tor(vrf="red"))

    async def work() -> None:
        await until(lambda: scene.client.all(Event))
        scene.with_node(worker("198.18.0.12"))
        await asyncio.sleep(0.1)
        (event,) = scene.client.all(Event).values()
        assert (event.reason, event.involved_object.name, event.count) == ("Unsupported", "tor", 1)

    play(scene, work)
