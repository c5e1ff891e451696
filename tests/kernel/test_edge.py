"""The edge end to end: nodes that drain or deny an endpoint, the PROXY protocol, an edge that dies."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from moorage.cli.kubectl import find_kubectl
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.netns_io import socket_in
from moorage.lab.plan import LabPlan
from moorage.model.meta import Key
from moorage.model.net import Address, parse_address
from moorage.model.service import Service
from moorage.run.standalone import UpSettings
from moorage.run.state_io import Running
from moorage.run.traffic import Traffic
from moorage.run.up_io import detached, end
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

T = TypeVar("T")
TAINT = "ToBeDeletedByClusterAutoscaler:NoSchedule"
ECHO = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: web}}
spec:
  nodeName: NODE
  containers: [{name: echo, image: moorage/echo, readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}]
---
"""
WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
"""
PROXIED = """
apiVersion: v1
kind: Service
metadata: {name: proxied, annotations: {moorage.dev/proxy-protocol: v2}}
spec:
  type: LoadBalancer
  selector: {app: proxied}
  ports: [{port: 80, targetPort: 9000}]
---
apiVersion: v1
kind: Pod
metadata: {name: proxied, labels: {app: proxied}}
spec:
  nodeName: node-2
  containers: [{name: server, image: moorage/host, command: [PYTHON, -c, "PROGRAM"]}]
"""
PROGRAM = """
import ipaddress, socket, struct
listening = socket.create_server(('', 9000))
while True:
    accepted, peer = listening.accept()
    head = accepted.recv(16, socket.MSG_WAITALL)
    if len(head) == 16 and head[:13] == b'\\\\r\\\\n\\\\r\\\\n\\\\0\\\\r\\\\nQUIT\\\\n\\\\x21':
        told = accepted.recv(struct.unpack('>H', head[14:])[0], socket.MSG_WAITALL)
        accepted.sendall(f'{ipaddress.ip_address(told[:4])} {ipaddress.ip_address(told[4:8])}'.encode())
    accepted.close()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two nodes, a Pod on each, and a Service of policy Local."""
    instance = unique_instance("edge")
    manifest = tmp_path_factory.mktemp("edge") / "web.yaml"
    manifest.write_text(WEB + "".join(ECHO.replace("NAME", f"web-{n}").replace("NODE", f"node-{n}") for n in (1, 2)))

    async def apply(traffic: Traffic) -> None:
        await traffic.kubectl("apply", "-f", str(manifest))
        await traffic.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")
        await _answers(traffic, {"web-1", "web-2"})

    try:
        running = detached(UpSettings(instance=instance, nodes=2, port=0))
        run(running, apply)
        yield running
    finally:
        end(instance)


def run(running: Running, story: Callable[[Traffic], Awaitable[T]]) -> T:
    async def told() -> T:
        async with HttpClient(load(running.kubeconfig)) as client:
            return await story(Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl()))

    return asyncio.run(told())


async def _address(traffic: Traffic, name: str = "web") -> Address:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        for each in (await traffic.client.get(Service, Key("default", name))).status.load_balancer.ingress:
            if (found := parse_address(each.ip)) is not None:
                return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} has no address")


async def _answers(traffic: Traffic, wanted: set[str], seconds: float = 10) -> Counter[str]:
    """Asks until exactly these Pods answer, and nothing fails."""
    address, limit = await _address(traffic), time.monotonic() + seconds
    while True:
        answers = await traffic.ask("client", f"http://{address}", 40)
        if set(answers.pods) == wanted and not answers.failed:
            return Counter(answers.pods)
        assert time.monotonic() < limit, answers


class Held:
    """One connection of the client outside that stays open. `via` is the node that it came by, which puts its address in."""

    def __init__(self, traffic: Traffic, address: Address) -> None:
        self._socket = socket_in(traffic.plan.client.namespace, socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(5)
        self._socket.connect((str(address), 80))
        self.pod, self.via = self.exchange()

    def exchange(self) -> tuple[str, str]:
        self._socket.sendall(b"hello\n")
        pod, via, _ = self._socket.recv(200).decode().split()
        return pod, via

    def close(self) -> None:
        self._socket.close()


def test_a_node_that_drains_keeps_its_connections_and_gets_no_new_ones(running: Running) -> None:
    """KEP-3836. With policy Local its endpoints go first; here the Service has to say Cluster for the node to be left out."""

    async def story(traffic: Traffic) -> None:
        policy = '{"spec": {"externalTrafficPolicy": "%s"}}'
        address = await _address(traffic)
        await traffic.kubectl("patch", "service", "web", "-p", policy % "Cluster")
        held: list[Held] = []
        try:
            while len({each.via for each in held}) < 2:
                assert len(held) < 60
                held.append(Held(traffic, address))
            await traffic.kubectl("taint", "node", "node-2", TAINT)
            limit = time.monotonic() + 10
            while not await _only_through(traffic, address, "node-1"):
                assert time.monotonic() < limit
            assert [each.exchange() for each in held] == [(each.pod, each.via) for each in held]
            for each in held:
                each.close()
            assert await _only_through(traffic, address, "node-1")
        finally:
            await traffic.kubectl("taint", "node", "node-2", f"{TAINT}-")
            await traffic.kubectl("patch", "service", "web", "-p", policy % "Local")
            await _answers(traffic, {"web-1", "web-2"})

    run(running, story)


async def _only_through(traffic: Traffic, address: Address, node: str) -> bool:
    """Whether all of 30 new connections come to the Pods by way of that node, which masquerades what it sends to another."""
    seen = (await traffic.ask("client", f"http://{address}", 30)).clients
    return set(seen) == {str(traffic.plan.machine(node).address)}


def test_a_node_that_denies_its_endpoint_gets_no_new_connection(running: Running) -> None:
    """What stands at the healthCheckNodePort of node-2 is an impostor that says 503, whatever the EndpointSlices say."""

    async def story(traffic: Traffic) -> None:
        port = (await traffic.client.get(Service, Key("default", "web"))).spec.health_check_node_port
        assert port
        rule = ("nft", "add table ip impostor { chain c { type filter hook input priority -10; }; }; "
                       f"add rule ip impostor c tcp dport {port} reject with tcp reset")  # fmt: skip
        node = traffic.plan.machine("node-2").namespace
        await _in(node, *rule)
        try:
            await _answers(traffic, {"web-1"}, seconds=5)
        finally:
            await _in(node, "nft", "delete table ip impostor")
        await _answers(traffic, {"web-1", "web-2"}, seconds=5)

    run(running, story)


async def _in(namespace: str, *command: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", "netns", "exec", namespace, *command)
    assert await process.wait() == 0


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: run scripts/system-packages")
def test_a_pod_is_told_the_client_by_the_proxy_protocol(running: Running, tmp_path: Path) -> None:
    async def story(traffic: Traffic) -> None:
        manifest, client = tmp_path / "proxied.yaml", traffic.plan.client
        program = PROGRAM.replace("\n", "\\n")
        edge = traffic.plan.edge.namespace
        manifest.write_text(PROXIED.replace("PYTHON", "/usr/bin/env, python3").replace("PROGRAM", program))
        await traffic.kubectl("apply", "-f", str(manifest))
        try:
            address = await _address(traffic, "proxied")
            assert (await traffic.client.get(Service, Key("default", "proxied"))).status.load_balancer.ingress[
                0
            ].ip_mode == "Proxy"
            limit = time.monotonic() + 15
            while (told := await asyncio.to_thread(_told, client.namespace, address)) != f"{client.address} {address}":
                assert time.monotonic() < limit, told
            before = await _processes(edge)
            os.kill(next(pid for pid, words in before.items() if words[2:4] == ["moorage", "edge"]), signal.SIGKILL)
            limit = time.monotonic() + 15
            while not (after := _masters(await _processes(edge))) or after & before.keys():
                assert time.monotonic() < limit, "HAProxy ends with the edge that started it, and the next one starts another"
                await asyncio.sleep(0.05)
            while (told := await asyncio.to_thread(_told, client.namespace, address)) != f"{client.address} {address}":
                assert time.monotonic() < limit, told
        finally:
            await traffic.kubectl("delete", "--wait=false", "-f", str(manifest))

    run(running, story)


async def _processes(namespace: str) -> dict[int, list[str]]:
    """What runs on a machine of the lab: process id -> command line."""
    listing = await asyncio.create_subprocess_exec("ip", "netns", "pids", namespace, stdout=asyncio.subprocess.PIPE)
    output, _ = await listing.communicate()
    found = {}
    for pid in map(int, output.split()):
        with suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return found


def _masters(processes: dict[int, list[str]]) -> set[int]:
    return {pid for pid, words in processes.items() if words[0].endswith("haproxy")}


def _told(namespace: str, address: Address) -> str:
    with socket_in(namespace, socket.AF_INET, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect((str(address), 80))
            return asking.recv(200).decode()
        except OSError as error:
            return repr(error)
