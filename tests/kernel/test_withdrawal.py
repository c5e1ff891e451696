"""Pods that are replaced while clients connect all the time: nobody sleeps in a preStop hook, and no connection is lost.
And an edge that withdraws itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from ipaddress import IPv4Address, ip_address

import msgspec
import pytest

from moorage.cli.kubectl import find_kubectl
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.plan import LabPlan
from moorage.model.cluster import Lease
from moorage.model.errors import ApiError
from moorage.model.meta import Key, ObjectMeta, condition
from moorage.model.net import Address
from moorage.model.pods import Pod
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.model.withdrawal import EDGE, NODE, WITHDRAWN, applied_lease_key, applied_version
from moorage.run.standalone import UpSettings
from moorage.run.state_io import Running
from moorage.run.traffic import Traffic
from moorage.run.up_io import detached, end
from tests.kernel.clients import Clients
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.questions import who_has
from tests.kernel.test_self_check import BLOCKED, nft
from tests.kernel.topology import Entered

pytestmark = [pytest.mark.kernel, needs_root]

REPLACED = 4
SERVER = """
import os, socket
listening = socket.create_server(("", 8080), backlog=128)
while True:
    asking, _ = listening.accept()
    with asking:
        try:
            asking.recv(1) and asking.send(os.environ["NAME"].encode())
        except OSError:
            pass
"""
"""Ends with SIGTERM at once, and refuses whoever comes then."""
SERVICE = Service(
    api_version="v1",
    kind="Service",
    metadata=ObjectMeta(name="web", namespace="default"),
    spec=ServiceSpec(type="LoadBalancer", selector={"app": "web"}, ports=(ServicePort(port=80, target_port=8080),)),
)


def pod(name: str, node: str) -> Pod:
    container = {
        "name": "web",
        "image": "moorage/host",
        "command": ["python3", "-c", SERVER],
        "env": [{"name": "NAME", "value": name}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    metadata = {
        "name": name,
        "namespace": "default",
        "labels": {"app": "web"},
        "annotations": {"moorage.dev/wait-for-withdrawal": "true"},
    }
    spec = {"containers": [container], "nodeName": node, "terminationGracePeriodSeconds": 30}
    return msgspec.convert({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, Pod)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    instance = unique_instance("withdraw")
    try:
        yield detached(UpSettings(instance=instance, nodes=2, port=0))
    finally:
        end(instance)


class Rollout:
    """Pods web-0, web-1, ... of one Service, on both nodes in turn."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._made = 0

    async def add(self) -> str:
        """One more, once it is ready."""
        name = f"web-{self._made}"
        self._made += 1
        await self._traffic.client.create(pod(name, f"node-{1 + self._made % 2}"))
        await self._traffic.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
        return name

    async def remove(self, name: str) -> None:
        """Returns when it is withdrawn, as `kubectl wait` says."""
        waiting = asyncio.create_task(
            self._traffic.kubectl("wait", f"--for=condition={WITHDRAWN}", f"pod/{name}", "--timeout=20s")
        )
        await asyncio.sleep(1.0)
        assert not waiting.done()
        await self._traffic.kubectl("delete", "pod", name, "--wait=false")
        assert "condition met" in await waiting


def run(running: Running, story: Callable[[Traffic], Awaitable[None]]) -> None:
    async def told() -> None:
        async with HttpClient(load(running.kubeconfig)) as client:
            await story(Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl()))

    asyncio.run(told())


async def until_reached(namespace: Entered, address: Address, port: int) -> None:
    """Somebody answers there, and the second answer comes from another Pod."""
    async with asyncio.timeout(20):
        while True:
            with suppress(OSError):
                if len({await asyncio.to_thread(namespace.ask, address, port) for _ in range(8)}) == 2:
                    return
            await asyncio.sleep(0.05)


async def gone(traffic: Traffic, name: str, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await traffic.client.get(Pod, Key("default", name))
            except ApiError as error:
                if error.code == 404:
                    return
                raise
            await asyncio.sleep(0.05)


def test_a_rolling_replacement_loses_no_connection(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        service = await traffic.client.create(SERVICE)
        rollout = Rollout(traffic)
        names = [await rollout.add(), await rollout.add()]
        path = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}"
        await traffic.kubectl("wait", path, "service/web", "--timeout=30s")
        service = await traffic.client.get(Service, service.key)
        plan = traffic.plan
        node, client = Entered(plan.machine("node-1").namespace), Entered(plan.client.namespace)
        ways = [
            (node, ip_address(service.spec.cluster_ip), 80),
            (client, ip_address(service.status.load_balancer.ingress[0].ip), 80),
            (client, ip_address(plan.machine("node-2").address), service.spec.ports[0].node_port),
        ]
        with closing(node), closing(client):
            for namespace, address, port in ways:
                await until_reached(namespace, address, port)
            with Clients(*ways, pause=0.003) as clients:
                for _ in range(REPLACED):
                    names.append(await rollout.add())
                    old = names.pop(0)
                    await rollout.remove(old)
                    await gone(traffic, old)
                await asyncio.sleep(0.3)
        assert clients.failed == []
        answers = {each.answer for each in clients.asked}
        assert answers == {f"web-{number}" for number in range(2 + REPLACED)}
        assert len(clients.asked) > 500

    run(running, story)


def test_who_does_not_follow_is_named_and_waited_for(running: Running) -> None:
    """The agent of node-2 hangs: its kernel still sends connections to the Pod, and the Pod is told so."""

    async def story(traffic: Traffic) -> None:
        await traffic.client.create(pod("lonely", "node-1"))
        await traffic.kubectl("wait", "--for=condition=Ready", "pod/lonely", "--timeout=30s")
        agents = processes_in(traffic.plan.machine("node-2").namespace)
        assert agents
        try:
            for each in agents:
                os.kill(each, signal.SIGSTOP)
            await traffic.kubectl("delete", "pod", "lonely", "--wait=false")
            async with asyncio.timeout(10):
                while (found := await said(traffic, "lonely")) != ("False", "not taken out yet: node-2"):
                    assert found[0] != "True"
                    await asyncio.sleep(0.05)
        finally:
            for each in agents:
                os.kill(each, signal.SIGCONT)
        await gone(traffic, "lonely")

    run(running, story)


def test_an_idle_cluster_says_nothing(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        await asyncio.sleep(0.5)
        keys = [applied_lease_key(NODE, "node-1"), applied_lease_key(NODE, "node-2")]
        before = [await traffic.client.get(Lease, each) for each in keys]
        assert all(
            applied_version(each) for each in (*before, await traffic.client.get(Lease, applied_lease_key(EDGE, "edge")))
        )
        await asyncio.sleep(1.5)
        assert [await traffic.client.get(Lease, each) for each in keys] == before

    run(running, story)


def test_a_drain_is_told_before_it_is_done(running: Running) -> None:
    """The tests before it leave two Pods, one on each node."""
    command = [sys.executable, "-m", "moorage", "drain", "--simulate", "node-1", "--kubeconfig", running.kubeconfig]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    (service,) = [each for each in told["services"] if each["service"] == "default/web"]
    assert (service["here"], service["elsewhere"], service["breaks"]) == (1, 1, False)
    (address,) = told["addresses"]
    assert (address["how"], address["moves"], address["to"]) == ("edge", False, ["node-2"])
    (pod,) = [each["pod"] for each in told["pods"]]
    assert told["problems"] == [f"Pod {pod} has no owner: nobody makes it again"]
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert text.returncode == 1
    assert "default/web keeps 1 of 2 endpoints on node-2" in text.stdout


def test_an_edge_whose_rules_do_not_work_gives_its_addresses_up(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        service = await traffic.client.get(Service, SERVICE.key)
        address, edge = service.status.load_balancer.ingress[0].ip, Entered(traffic.plan.edge.namespace)
        with closing(edge):
            await until(lambda: answers(traffic, address))
            edge.run(lambda: nft(BLOCKED))
            await until(lambda: not answers(traffic, address))
            edge.run(lambda: nft("delete table inet blocked"))
            await until(lambda: answers(traffic, address))

    run(running, story)


def answers(traffic: Traffic, address: str) -> bool:
    """Whether anybody says to the client that it has the address."""
    return bool(who_has(traffic.plan.client.namespace, IPv4Address(address), traffic.plan.client.address))


async def until(true: Callable[[], bool], seconds: float = 3.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)


async def said(traffic: Traffic, name: str) -> tuple[str, str]:
    found = condition((await traffic.client.get(Pod, Key("default", name))).status.conditions, WITHDRAWN)
    return (found.status, found.message) if found is not None else ("", "")


def processes_in(namespace: str) -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout
    return [int(each) for each in listed.split()]
