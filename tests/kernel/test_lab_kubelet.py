"""Kubelets with real Pods, against an API server in memory."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moorage.client.fake import FakeClient
from moorage.lab import netns_io
from moorage.lab.containers import BackOff
from moorage.lab.kubelet_io import Kubelet, KubeletSettings
from moorage.lab.launch import ASK, pod_entry, process_file
from moorage.lab.machines_io import build, destroy
from moorage.lab.plan import LabPlan
from moorage.lab.processes_io import Wish, spawn
from moorage.model.cluster import Event, Lease, Node
from moorage.model.errors import ApiError
from moorage.model.meta import Condition, Key, ObjectMeta, condition, is_true
from moorage.model.pods import (
    Container,
    ContainerPort,
    EnvVar,
    ExecAction,
    HTTPGetAction,
    Pod,
    PodSpec,
    Probe,
    TCPSocketAction,
)
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

SETTINGS = KubeletSettings(lease_interval=0.05, back_off=BackOff(0.1, 1.0))
READY = Probe(http_get=HTTPGetAction(path="/ready", port="http"), period_seconds=1, failure_threshold=1)
ECHO = Container(
    name="web", image="moorage/echo", ports=(ContainerPort(name="http", container_port=8080),), readiness_probe=READY
)


@pytest.fixture
def plan() -> Iterator[LabPlan]:
    made = LabPlan(unique_instance("pods"), nodes=2)
    yield made
    destroy(made)


class Cluster:
    """A lab with a kubelet on each node; what the tests ask it in few words."""

    def __init__(self, plan: LabPlan) -> None:
        self.plan = plan
        self.client = FakeClient(clock=time.time)
        self.kubelets = {each.name: self.kubelet(each.name) for each in plan.node_machines}

    def kubelet(self, node: str) -> Kubelet:
        return Kubelet(self.plan, node, self.client, SETTINGS, resolv_conf=lambda _: "nameserver 192.0.2.53\n")

    async def create(self, name: str, *containers: Container, node: str = "node-1", **spec: Any) -> Pod:
        spec = {"termination_grace_period_seconds": 5, **spec}
        return await self.client.create(
            Pod(
                api_version="v1",
                kind="Pod",
                metadata=ObjectMeta(name=name, namespace="default"),
                spec=PodSpec(node_name=node, containers=containers or (ECHO,), **spec),
            )
        )

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, Key("default", name))

    async def ready(self, *names: str) -> None:
        for name in names:
            await self.until(name, lambda pod: is_true(pod.status.conditions, "Ready"))

    async def until(self, name: str, holds: Callable[[Pod], bool]) -> Pod:
        async def look() -> bool:
            return holds(await self.pod(name))

        await eventually(look)
        return await self.pod(name)

    async def gone(self, name: str) -> None:
        async def look() -> bool:
            with contextlib.suppress(ApiError):
                await self.pod(name)
                return False
            return True

        await eventually(look)

    async def events(self) -> list[tuple[str, str]]:
        found, _ = await self.client.list(Event)
        return [(each.reason, each.message) for each in found]

    async def ask(self, name: str, target: str, *more: str) -> dict[str, Any]:
        """What the `ask` program says when it runs in that Pod."""
        pod = await self.pod(name)
        first = int(Path(process_file(self.plan, pod, "web")).read_text())
        log = Path(self.plan.state, f"ask-{time.monotonic_ns()}")
        wish = Wish(pod_entry(self.plan, pod, first), (*ASK, target, *more), {}, log=str(log))
        await (await spawn(wish)).wait()
        return dict(json.loads(log.read_text()))


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 8.0) -> None:
    limit = asyncio.get_running_loop().time() + seconds
    while not await look():
        assert asyncio.get_running_loop().time() < limit, "it did not happen in time"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(plan: LabPlan) -> AsyncIterator[Cluster]:
    await build(plan)
    cluster = Cluster(plan)
    tasks = [asyncio.create_task(each.run()) for each in cluster.kubelets.values()]
    try:
        yield cluster
    finally:
        for each in cluster.kubelets.values():
            await each.stop()
        assert all(task.done() for task in tasks)
        assert [name for name in netns_io.names() if name.startswith(f"{plan.instance}-pod-")] == []


def test_pods_start_become_ready_and_reach_each_other_on_any_node(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            await cluster.create("a")
            await cluster.create("b")
            await cluster.create("c", node="node-2")
            await cluster.ready("a", "b", "c")
            a, c = await cluster.pod("a"), await cluster.pod("c")
            assert (a.status.phase, a.status.host_ip, c.status.host_ip) == ("Running", "198.18.0.11", "198.18.0.12")
            assert {a.status.pod_ip, (await cluster.pod("b")).status.pod_ip} == {"10.244.1.2", "10.244.1.3"}
            for asker in ("b", "c"):
                address = (await cluster.pod(asker)).status.pod_ip
                for scheme in ("http", "tcp", "udp"):
                    answer = await cluster.ask(asker, f"{scheme}://{a.status.pod_ip}:8080", "--count", "5")
                    assert (answer["pods"], answer["clients"]) == ({"a": 5}, {address: 5})
            assert (await cluster.ask("b", f"http://{a.status.pod_ip}:8080"))["nodes"] == {"node-1": 1}
            assert (await cluster.events()).count(("Started", "Started container web")) == 3

    asyncio.run(story())


def test_readiness_follows_the_probe(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            await cluster.create("a")
            await cluster.ready("a")
            address = (await cluster.pod("a")).status.pod_ip
            await cluster.ask("a", f"http://{address}:8080/unready", "--method", "POST")
            pod = await cluster.until("a", lambda pod: not is_true(pod.status.conditions, "Ready"))
            assert not pod.status.container_statuses[0].ready
            await eventually(lambda: noted(cluster, "Readiness probe failed: HTTP probe failed with statuscode: 503"))
            await cluster.ask("a", f"http://{address}:8080/ready", "--method", "POST")
            await cluster.ready("a")
            assert (await cluster.pod("a")).status.container_statuses[0].restart_count == 0

    asyncio.run(story())


async def noted(cluster: Cluster, message: str) -> bool:
    return any(message == each for _, each in await cluster.events())


def test_a_container_that_fails_its_liveness_probe_or_exits_is_restarted(plan: LabPlan) -> None:
    alive = Probe(
        exec=ExecAction(command=("sh", "-c", "test ! -e $MARK || { echo dead; exit 1; }")),
        period_seconds=1,
        failure_threshold=1,
    )

    async def story() -> None:
        async with running(plan) as cluster:
            mark = Path(plan.state, "dead")
            env = (EnvVar(name="MARK", value=str(mark)),)
            await cluster.create("a", msgspec.structs.replace(ECHO, liveness_probe=alive, env=env))
            await cluster.create("b")
            await cluster.ready("a", "b")
            mark.touch()
            await cluster.until("a", lambda pod: pod.status.container_statuses[0].restart_count == 1)
            mark.unlink()
            await eventually(lambda: noted(cluster, "Liveness probe failed: dead"))
            assert await noted(cluster, "Container web failed liveness probe, will be restarted")
            address = (await cluster.pod("b")).status.pod_ip
            await cluster.ask("b", f"http://{address}:8080/exit?code=3", "--method", "POST")
            pod = await cluster.until("b", lambda pod: pod.status.container_statuses[0].restart_count == 1)
            assert pod.status.container_statuses[0].last_state["terminated"]["exitCode"] == 3
            await cluster.ready("a", "b")

    asyncio.run(story())


def test_what_cannot_be_run_waits_and_says_why(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            await cluster.create("image", Container(name="web", image="nginx:1.27"))
            await cluster.create("program", Container(name="web", image="moorage/host", command=("no-such-program",)))
            secret = EnvVar(name="S", value_from={"secretKeyRef": {"name": "s", "key": "k"}})
            await cluster.create("secret", Container(name="web", image="moorage/echo", env=(secret,)))
            reasons = {"image": "ErrImageNeverPull", "program": "CreateContainerError", "secret": "CreateContainerError"}
            words = {"image": "no container engine", "program": "'no-such-program': not found", "secret": "secretKeyRef"}
            for name, reason in reasons.items():
                pod = await cluster.until(name, lambda pod: reason_of(pod) in reasons.values())
                assert (pod.status.phase, reason_of(pod)) == ("Pending", reason)
                assert words[name] in pod.status.container_statuses[0].state["waiting"]["message"]
            events = {reason for reason, _ in await cluster.events()}
            assert {"ErrImageNeverPull", "CreateContainerError"} <= events

    asyncio.run(story())


def reason_of(pod: Pod) -> str:
    statuses = pod.status.container_statuses
    return str(statuses[0].state.get("waiting", {}).get("reason", "")) if statuses else ""


def test_containers_of_a_pod_share_its_network_and_follow_its_init_containers(plan: LabPlan) -> None:
    init = Container(name="init", image="moorage/host", command=("sh", "-c", "echo $(NAME) > $(FILE)"))
    probe = Probe(tcp_socket=TCPSocketAction(port=8080), period_seconds=1)
    side = Container(name="side", image="moorage/host", command=("sleep", "600"))

    async def story() -> None:
        async with running(plan) as cluster:
            file = Path(plan.state, "made-by-init")
            env = (
                EnvVar(name="NAME", value_from={"fieldRef": {"fieldPath": "metadata.name"}}),
                EnvVar(name="FILE", value=str(file)),
            )
            web = Container(name="web", image="moorage/echo", readiness_probe=probe)
            await cluster.create("a", web, side, init_containers=(msgspec.structs.replace(init, env=env),))
            await cluster.ready("a")
            assert file.read_text() == "a\n"
            pod = await cluster.pod("a")
            assert pod.status.init_container_statuses[0].state["terminated"]["reason"] == "Completed"
            in_side = int(Path(process_file(plan, pod, "side")).read_text())
            log = Path(plan.state, "side")
            script = f"cat /etc/resolv.conf; {' '.join(ASK)} http://127.0.0.1:8080 >/dev/null && echo reached"
            await (await spawn(Wish(pod_entry(plan, pod, in_side), ("/bin/sh", "-c", script), {}, log=str(log)))).wait()
            assert log.read_text() == "nameserver 192.0.2.53\nreached\n"

    asyncio.run(story())


def test_a_deleted_pod_ends_gracefully_and_leaves_nothing(plan: LabPlan) -> None:
    script = "trap 'echo bye; sleep 0.3; exit 0' TERM; echo ready; while :; do sleep 0.05; done"

    async def story() -> None:
        async with running(plan) as cluster:
            pod = await cluster.create("a", Container(name="web", image="moorage/host", command=("sh", "-c", script)))
            log = Path(plan.pod_directory("default", "a", pod.metadata.uid), "web.log")
            await cluster.ready("a")
            await eventually(lambda: has(log, "ready\n"))
            await cluster.client.delete(Pod, pod.key)
            await eventually(lambda: has(log, "ready\nbye\n"))
            terminating = await cluster.pod("a")
            assert terminating.metadata.deletion_timestamp is not None
            assert "running" in terminating.status.container_statuses[0].state
            await cluster.gone("a")
            assert not log.parent.exists()
            assert not netns_io.exists(plan.pod_namespace("default", "a", pod.metadata.uid))
            assert await noted(cluster, "Stopping container web")

    asyncio.run(story())


async def has(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def test_a_pod_removed_without_grace_is_killed_and_its_namesake_started(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            first = await cluster.create("a")
            await cluster.ready("a")
            await cluster.client.delete(Pod, first.key, grace_seconds=0)
            second = await cluster.create("a")
            await cluster.ready("a")
            assert first.metadata.uid != second.metadata.uid
            old = plan.pod_namespace("default", "a", first.metadata.uid)

            async def gone() -> bool:
                return not netns_io.exists(old)

            await eventually(gone)

    asyncio.run(story())


def test_a_completed_pod_is_not_started_again(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            once = Container(name="web", image="moorage/host", command=("sh", "-c", "exit 4"))
            await cluster.create("a", once, restart_policy="Never")
            pod = await cluster.until("a", lambda pod: pod.status.phase == "Failed")
            assert pod.status.container_statuses[0].state["terminated"]["exitCode"] == 4
            await cluster.client.delete(Pod, pod.key)
            await cluster.gone("a")

    asyncio.run(story())


def test_a_node_registers_renews_its_lease_and_speaks_up_when_it_is_declared_lost(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            key = Key("", "node-1")

            async def said_ready() -> bool:
                nodes, _ = await cluster.client.list(Node)
                return any(each.key == key and is_true(each.status.conditions, "Ready") for each in nodes)

            await eventually(said_ready)
            lease = Key("kube-node-lease", "node-1")

            async def leased() -> bool:
                return any(each.key == lease for each in (await cluster.client.list(Lease))[0])

            await eventually(leased)
            renewed = (await cluster.client.get(Lease, lease)).spec.renew_time

            async def renewed_again() -> bool:
                return (await cluster.client.get(Lease, lease)).spec.renew_time != renewed

            await eventually(renewed_again)
            lost = msgspec.to_builtins((Condition(type="Ready", status="Unknown", reason="NodeStatusUnknown"),))
            await cluster.client.merge_patch(Node, key, {"status": {"conditions": lost}}, "status")
            await eventually(said_ready)
            ready = condition((await cluster.client.get(Node, key)).status.conditions, "Ready")
            assert ready is not None
            assert ready.reason == "KubeletReady"

    asyncio.run(story())


def test_a_node_that_is_switched_off_and_on_starts_its_pods_again(plan: LabPlan) -> None:
    async def story() -> None:
        async with running(plan) as cluster:
            for name in ("gone", "a"):
                await cluster.create(name)
                await cluster.ready(name)
            pod = await cluster.pod("a")
            await cluster.client.delete(Pod, Key("default", "gone"))
            await cluster.gone("gone")
            assert pod.status.pod_ip == "10.244.1.3"
            namespace = plan.pod_namespace("default", "a", pod.metadata.uid)
            await cluster.kubelets["node-1"].stop()
            assert not netns_io.exists(namespace)
            assert is_true((await cluster.pod("a")).status.conditions, "Ready")
            cluster.kubelets["node-1"] = cluster.kubelet("node-1")
            task = asyncio.create_task(cluster.kubelets["node-1"].run())
            again = await cluster.until("a", lambda pod: pod.status.container_statuses[0].restart_count == 1)
            assert again.status.container_statuses[0].last_state["terminated"]["exitCode"] == 255
            await cluster.create("b")
            await cluster.ready("a", "b")
            assert ((await cluster.pod("a")).status.pod_ip, (await cluster.pod("b")).status.pod_ip) == (
                "10.244.1.3",
                "10.244.1.4",
            )
            assert cluster.kubelets["node-1"].pods == (Key("default", "a"), Key("default", "b"))
            assert not task.done()

    asyncio.run(story())
