"""`moorage demo`: the three example Services under real traffic, from every vantage point; each claim is a check.

examples/*.yaml -> kubectl apply -> requests from Pods, nodes and the external client -> Check, Check, ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.run.asking import Answers
from moorage.run.traffic import Traffic

API, WEBAPP, GIVEN, PRODUCTION = (
    "my-api-service", "my-webapp-service", "my-webapp-service-30080", "my-production-app-service",
)  # fmt: skip
MANIFESTS = (API, WEBAPP, PRODUCTION)
NODE_PORTS = range(30000, 32768)
REQUESTS = 60
LEAVE_LIMIT = 1.0
"""Seconds in which a Pod that turns unready must have left."""


class Check(msgspec.Struct, frozen=True):
    """One claim and whether it held. `seen` says what was observed."""

    service: str
    vantage: str
    claim: str
    ok: bool
    seen: str


class Demo:
    """One run against a started system. `step` reports progress."""

    def __init__(self, traffic: Traffic, examples: Path, step: Callable[[str], None]) -> None:
        self.checks: list[Check] = []
        self._traffic = traffic
        self._examples = examples
        self._step = step

    async def run(self) -> Sequence[Check]:
        self._step("applying the examples with kubectl, waiting until their Pods are ready")
        await self._apply()
        self._step(f"ClusterIP: {API} from a Pod by name, and from outside")
        await self._cluster_ip()
        await self._isolation()
        self._step("ClusterIP: a Pod turns unready and comes back")
        await self._unready()
        self._step(f"NodePort: {WEBAPP} from outside, at every node")
        await self._node_port(WEBAPP)
        await self._node_port(GIVEN, 30080)
        self._step(f"LoadBalancer: {PRODUCTION} from outside")
        await self._load_balancer()
        self._step("LoadBalancer: a node is switched off while a client keeps asking")
        await self._node_down()
        return self.checks

    def _check(self, service: str, vantage: str, claim: str, ok: bool, seen: str) -> None:
        self.checks.append(Check(service, vantage, claim, ok, seen))

    async def _apply(self) -> None:
        kubectl = self._traffic.kubectl
        await kubectl("apply", *(word for name in MANIFESTS for word in ("-f", str(self._examples / f"{name}.yaml"))))
        await kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")
        await kubectl("wait", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", f"service/{PRODUCTION}", "--timeout=30s")

    async def _cluster_ip(self) -> None:
        service, client = await self._service(API), await self._pod("my-api-client")
        spec = service.spec
        self._check(
            API, "API", "gets a ClusterIP, also when type is left out",
            spec.type == "ClusterIP" and bool(spec.cluster_ip), f"{spec.type} {spec.cluster_ip}",
        )  # fmt: skip
        answers = await self._traffic.ask("pod/my-api-client", f"http://{API}:80", REQUESTS)
        self._served(API, "a Pod", f"http://{API}:80 answers by name", answers)
        await self._balanced(API, "my-api", "a Pod", answers)
        self._check(
            API, "a Pod", "the backends see the Pod's own address", set(answers.clients) == {client.status.pod_ip},
            ", ".join(answers.clients),
        )  # fmt: skip

    async def _isolation(self) -> None:
        address = (await self._service(API)).spec.cluster_ip
        answers = await self._traffic.ask("client", f"http://{address}:80", 2, timeout=1.0)
        self._check(API, "outside", f"{address} is unreachable", answers.ok == 0, answers.failures())
        async with self._traffic.client_route_through("node-1", address):
            answers = await self._traffic.ask("client", f"http://{address}:80", 2, timeout=1.0)
        self._check(API, "outside", "also with a route to it through a node", answers.ok == 0, answers.failures())

    async def _unready(self) -> None:
        """One Pod fails its probe on request. Measured from the API's answer that it is unready to the last answer from it."""
        name = (await self._traffic.pods("my-api"))[0].metadata.name
        seconds = await self._traffic.seconds_to_leave(name, "pod/my-api-client", f"http://{API}:80")
        after = f"{seconds * 1e3:.0f} ms after its status said so" if seconds > 0 else "before its status was read"
        claim = f"an unready Pod is left out within {LEAVE_LIMIT:.0f} s"
        self._check(API, "a Pod", claim, seconds < LEAVE_LIMIT, f"{name} left {after}")

    async def _node_port(self, name: str, given: int | None = None) -> None:
        service, nodes = await self._service(name), self._traffic.nodes()
        port = service.spec.ports[0].node_port
        claim = (
            f"the given node port {given} is used" if given else "a node port from 30000-32767 is allocated, with a ClusterIP"
        )
        right = port == given if given else port in NODE_PORTS and bool(service.spec.cluster_ip)
        self._check(name, "API", claim, right, f"{service.spec.cluster_ip} 80:{port}/TCP")
        hosts = {pod.spec.node_name for pod in await self._traffic.pods("my-webapp")}
        for node, address in nodes.items():
            answers = await self._traffic.ask("client", f"http://{address}:{port}", REQUESTS // 2)
            without = "" if node in hosts else ", which has none of its Pods,"
            self._served(name, "outside", f"{node}{without} answers at {address}:{port}", answers)
        answers = await self._traffic.ask("pod/my-webapp-client", f"http://{name}:80", REQUESTS // 2)
        self._served(name, "a Pod", f"http://{name}:80 answers too", answers)

    async def _load_balancer(self) -> None:
        service = await self._service(PRODUCTION)
        address, port = service.status.load_balancer.ingress[0].ip, service.spec.ports[0].node_port
        self._check(
            PRODUCTION, "API", "gets a ClusterIP, a node port and an address from the pool",
            bool(service.spec.cluster_ip) and port in NODE_PORTS and self._traffic.in_pool(address),
            f"{service.spec.cluster_ip} 80:{port}/TCP {address}",
        )  # fmt: skip
        answers = await self._traffic.ask("client", f"http://{address}", REQUESTS)
        self._served(PRODUCTION, "outside", f"http://{address} answers", answers)
        await self._balanced(PRODUCTION, "my-production-app", "outside", answers)

    async def _node_down(self) -> None:
        """New connections all the time, while a node that holds a Pod loses its power: each of them must be answered."""
        address = (await self._service(PRODUCTION)).status.load_balancer.ingress[0].ip
        node = (await self._traffic.pods("my-production-app"))[0].spec.node_name
        answers = await self._traffic.ask_while_node_is_cut("client", f"http://{address}", node)
        self._served(PRODUCTION, "outside", f"every new connection is served while {node} is switched off", answers)
        after = await self._traffic.ask("client", f"http://{address}", REQUESTS)
        self._served(PRODUCTION, "outside", f"http://{address} answers without {node}", after)

    def _served(self, service: str, vantage: str, claim: str, answers: Answers) -> None:
        slowest = answers.latency_ms.get("max", 0.0)
        seen = f"{answers.ok} of {answers.requests} answered, slowest {slowest:.0f} ms"
        self._check(service, vantage, claim, answers.failed == 0 and answers.ok > 0, f"{seen} {answers.failures()}".rstrip())

    async def _balanced(self, service: str, app: str, vantage: str, answers: Answers) -> None:
        names = {pod.metadata.name for pod in await self._traffic.pods(app)}
        counts = ", ".join(f"{pod} {count}" for pod, count in answers.pods.items())
        self._check(service, vantage, "the load is spread over all ready Pods", set(answers.pods) == names, counts)

    async def _service(self, name: str) -> Service:
        return await self._traffic.client.get(Service, Key("default", name))

    async def _pod(self, name: str) -> Pod:
        return await self._traffic.client.get(Pod, Key("default", name))
