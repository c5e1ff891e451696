from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from moorage.announce import bgp_status, l2
from moorage.client.fake import FakeClient
from moorage.model.cluster import SYSTEM_NAMESPACE, Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from moorage.model.metallb import ServiceBGPStatus, ServiceL2Status
from moorage.run import status_keeper
from moorage.run.status_keeper import StatusKeeper
from tests.control.things import node
from tests.run.test_bgp import until

NODE = node("one")
WEB, DNS = Key("default", "web"), Key("kube-system", "dns")
TOR = frozenset({Key("metallb-system", "tor")})
ABSENT = ApiError(404, "NotFound", "the server could not find the requested resource")

MAKERS: dict[type[ServiceL2Status | ServiceBGPStatus], Callable[..., Mapping[Key, Any]]] = {
    ServiceL2Status: lambda *services, of=NODE: l2.statuses(of.metadata.name, {each: {"eth0"} for each in services}, of),
    ServiceBGPStatus: lambda *services, of=NODE: bgp_status.statuses(of, dict.fromkeys(services, TOR)),
}


class Scene:
    """Both kinds are kept in one way."""

    def __init__(self, type_: type[ServiceL2Status | ServiceBGPStatus], of: Node = NODE) -> None:
        self.type = type_
        self.node = of
        self.services: tuple[Key, ...] = (WEB,)
        self.client = FakeClient()
        namespace = SYSTEM_NAMESPACE if type_ is ServiceL2Status else ""
        self.keeper: StatusKeeper[Any] = StatusKeeper(self.client, type_, of.metadata.name, self.wanted, namespace)

    def wanted(self) -> Mapping[Key, Any]:
        return MAKERS[self.type](*self.services, of=self.node)

    @property
    def told(self) -> set[str]:
        """Names of Services, of objects whose status has been written."""
        return {each.status.service_name for each in self.client.all(self.type).values()}

    def asked(self, verb: str) -> int:
        return sum((call.verb, call.type) == (verb, self.type) for call in self.client.calls)

    def play(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            running = asyncio.create_task(self.keeper.run())
            try:
                await work()
            finally:
                running.cancel()
                await asyncio.wait([running])
            await self.keeper.take_away()

        asyncio.run(run())


@pytest.fixture(params=MAKERS, ids=lambda each: each.__name__)
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name in ("PAUSE", "RETRY", "ABSENT_SECONDS"):
        monkeypatch.setattr(status_keeper, name, 0.01)
    return Scene(request.param)


def test_they_follow_what_is_wanted_and_go_at_the_end(scene: Scene) -> None:
    stale = MAKERS[scene.type](DNS)
    for each in stale.values():
        scene.client.put(each)

    async def work() -> None:
        await asyncio.sleep(0.05)
        assert scene.told == {"dns"}, "nothing is asked before there is something to say"
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})
        scene.services = (WEB, DNS)
        scene.keeper.look()
        await until(lambda: scene.told == {"web", "dns"})
        assert scene.asked("list") == 1

    scene.play(work)
    assert scene.told == set()


def test_a_kind_that_the_cluster_does_not_have_is_said_once_and_taken_up_when_it_comes(scene: Scene) -> None:
    async def work() -> None:
        scene.client.fail("list", ABSENT, scene.type, times=5)
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})
        assert scene.asked("list") == 6

    with structlog.testing.capture_logs() as logs:
        scene.play(work)
    assert [each["error"] for each in logs] == ["the API server does not have this kind"]


def test_while_a_kind_is_missing_it_is_looked_for_seldom(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_keeper, "ABSENT_SECONDS", 60.0)

    async def work() -> None:
        scene.client.fail("list", ABSENT, scene.type, times=99)
        for _ in range(5):
            scene.keeper.look()
            await asyncio.sleep(0.02)
        assert (scene.asked("list"), scene.asked("create")) == (1, 0)

    scene.play(work)


def test_what_fails_is_tried_again_and_said_once(scene: Scene) -> None:
    async def work() -> None:
        scene.client.fail("list", HostError("away"), scene.type, times=2)
        scene.client.fail("create", HostError("away"), scene.type, times=2)
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})

    with structlog.testing.capture_logs() as logs:
        scene.play(work)
    assert [each["error"] for each in logs] == ["away"]


def test_one_that_somebody_has_deleted_comes_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_keeper, "SECONDS", 0.05)

    async def work() -> None:
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})
        (key,) = scene.client.all(scene.type)
        scene.client.remove(scene.type, key)
        await until(lambda: scene.told == {"web"})

    scene.play(work)


def test_they_go_at_the_end_also_while_they_are_listed_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_keeper, "SECONDS", 0.02)
    asked = asyncio.Event()

    async def never(*_: object) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async def work() -> None:
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})
        monkeypatch.setattr(scene.client, "list", never)
        await asked.wait()

    scene.play(work)
    assert scene.told == set()


def test_they_go_at_the_end_also_after_a_write_that_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_keeper, "RETRY", 60.0)

    async def work() -> None:
        scene.keeper.look()
        await until(lambda: scene.told == {"web"})
        scene.services = (WEB, DNS)
        scene.client.fail("create", HostError("away"), scene.type)
        scene.keeper.look()
        await until(lambda: scene.asked("create") == 2)

    scene.play(work)
    assert scene.told == set()


def test_those_of_metallbs_own_speakers_stay(scene: Scene) -> None:
    (made,) = MAKERS[scene.type](DNS).values()
    name = "l2-x5k2p" if scene.type is ServiceL2Status else "bgp-x5k2p"
    scene.client.put(replace(made, metadata=replace(made.metadata, name=name)))

    async def work() -> None:
        scene.keeper.look()
        await until(lambda: scene.told == {"web", "dns"})

    scene.play(work)
    assert scene.told == {"dns"}


@pytest.mark.parametrize("type_", MAKERS, ids=lambda each: each.__name__)
def test_those_of_a_node_whose_name_is_too_long_for_a_label_are_found_again(
    type_: type[ServiceL2Status | ServiceBGPStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_keeper, "SECONDS", 0.02)
    scene = Scene(type_, node(f"{'n' * 60}.example.com"))

    async def work() -> None:
        scene.keeper.look()
        await until(lambda: scene.asked("list") > 2)
        assert scene.asked("create") == 1

    scene.play(work)
    assert scene.told == set()
