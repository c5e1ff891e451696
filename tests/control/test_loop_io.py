"""The loop with the client in memory. Nothing waits longer than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random

from moorage.client.fake import FakeClient
from moorage.client.mirror_io import Mirror, Want
from moorage.control.endpoint_slices import EndpointSliceController
from moorage.control.endpoints_objects import EndpointsController
from moorage.control.load_balancers import LoadBalancerController
from moorage.control.loop_io import run_controllers
from moorage.control.mirroring import MirroringController
from moorage.control.node_health import NodeHealthController
from moorage.control.schedule import Scheduler
from moorage.control.types import Controller, Plan
from moorage.model.cluster import Event, Namespace
from moorage.model.endpoints import Endpoints
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Create, MergePatch, Note, Verb
from tests.control.things import balanced, node, pod, pool, service

BOUND = 10.0

Condition = Callable[[], bool]


def running(controllers: Sequence[Controller], client: FakeClient, check: Callable[[], Awaitable[None]]) -> None:
    """Runs `check` beside the controllers."""

    async def run() -> None:
        wanted = dict.fromkeys(type_ for each in controllers for type_ in each.wants)
        mirror = Mirror(client, [Want(type_) for type_ in wanted])
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(mirror.run()),
                tasks.create_task(run_controllers(controllers, mirror, client, clock, first_pause=0.001)),
            ]
            await check()
            for each in background:
                each.cancel()

    asyncio.run(run())


async def becomes(condition: Condition) -> None:
    """Waits until it holds, within the bound of the test."""
    while not condition():  # noqa: ASYNC110  what is waited for is state of the server, which tells nobody
        await asyncio.sleep(0.001)


def addresses(client: FakeClient) -> list[str]:
    slices = client.all(EndpointSlice).values()
    return sorted(each.addresses[0] for one in slices for each in one.endpoints if each.ready)


def listed(client: FakeClient) -> list[str]:
    return [each.ip for one in client.all(Endpoints).values() for subset in one.subsets for each in subset.addresses]


def said(client: FakeClient) -> set[str]:
    return {each.reason for each in client.all(Event).values()}


def test_all_controllers_bring_a_cluster_to_rest() -> None:
    objects = [node("node-1"), node("node-2"), pool("p", "198.18.100.0/30"), balanced("web"), pod("a", "10.244.1.2", node="")]
    client = FakeClient(objects)

    async def check() -> None:
        await becomes(lambda: addresses(client) == ["10.244.1.2"])
        await becomes(lambda: bool(client.all(Service)[Key("default", "web")].status.load_balancer.ingress))
        await becomes(lambda: {"Scheduled", "IPAllocated"} <= said(client))
        await becomes(lambda: listed(client) == ["10.244.1.2"])
        client.put(pod("a", "10.244.1.2", node="node-1", ready=False))
        await becomes(lambda: addresses(client) == [])

    controllers: list[Controller] = [
        EndpointSliceController(Random(1)),
        EndpointsController(),
        MirroringController(Random(2)),
        LoadBalancerController(),
        NodeHealthController(40.0),
        Scheduler(),
    ]
    running(controllers, client, check)


def test_a_write_that_is_refused_is_tried_again() -> None:
    client = FakeClient([node("node-1"), service(), pod("a", "10.244.1.2")])
    client.fail("create", HostError("the server is away"), EndpointSlice, times=3)
    client.fail("create", ApiError(409, "AlreadyExists", "taken"), EndpointSlice)

    async def check() -> None:
        await becomes(lambda: addresses(client) == ["10.244.1.2"])

    running([EndpointSliceController(Random(1))], client, check)


class Scripted:
    """Plans what it is told, call by call; an exception is raised. Remembers what it was shown."""

    wants: tuple[type[Object], ...] = (Service,)

    def __init__(self, name: str, *script: Plan | Exception) -> None:
        self.name = name
        self.script = list(script)
        self.seen: list[Changes] = []
        self.lost: list[Verb] = []

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        del snapshot, now
        self.seen.append(changes)
        step = self.script.pop(0) if self.script else Plan()
        if isinstance(step, Exception):
            raise step
        return step

    def failed(self, verbs: Iterable[Verb]) -> None:
        self.lost += verbs


def test_a_controller_that_raises_starts_over_and_disturbs_nobody() -> None:
    client = FakeClient([service()])
    broken = Scripted("broken", ValueError("a bug"), ValueError("again"))
    healthy = Scripted("healthy")

    async def check() -> None:
        await becomes(lambda: len(broken.seen) == 3)
        assert [each.everything for each in broken.seen] == [True, True, True]
        client.put(service("other"))
        await becomes(lambda: len(broken.seen) == 4 and len(healthy.seen) == 2)
        assert broken.seen[3].of(Service) == {Key("default", "other")}
        assert not broken.seen[3].everything

    running([broken, healthy], client, check)


def test_a_controller_is_woken_when_it_asked_to_be() -> None:
    client = FakeClient([service()])
    sleepy = Scripted("sleepy", Plan(wake_at=0.0), Plan(wake_at=1.0))

    async def check() -> None:
        await becomes(lambda: len(sleepy.seen) == 3)
        assert [bool(each) for each in sleepy.seen] == [True, False, False]

    running([sleepy], client, check)


def test_what_a_controller_does_not_want_does_not_wake_it() -> None:
    client = FakeClient([service()])
    narrow, wide = Scripted("narrow"), Scripted("wide")
    wide.wants = (Service, Pod)

    async def check() -> None:
        await becomes(lambda: len(wide.seen) == len(narrow.seen) == 1)
        client.put(pod("a"))
        await becomes(lambda: len(wide.seen) == 2)
        client.put(service("b"))
        await becomes(lambda: len(wide.seen) == 3)
        await becomes(lambda: len(narrow.seen) == 2)
        assert narrow.seen[1].keys == {Service: frozenset({Key("default", "b")})}

    running([narrow, wide], client, check)


def test_failed_writes_are_handed_back_and_events_are_not() -> None:
    missing = MergePatch(Service, Key("default", "gone"), {})
    made = Create(Namespace(metadata=ObjectMeta(name="n")))
    client = FakeClient([service()])
    client.fail("create", HostError("no room for events"), Event)
    one = Scripted("one", Plan((missing, made, Note(service(), Reason.SCHEDULED, "hello"))))

    async def check() -> None:
        await becomes(lambda: one.lost == [missing])
        assert len(one.seen) == 2, "it looks again at once"
        assert Key("", "n") in client.all(Namespace)

    running([one], client, check)
