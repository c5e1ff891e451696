"""Traffic at the vantage points of a running lab, and the disturbances that it must survive."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from moorage.lab.plan import LabPlan
from moorage.model.cluster import Node
from moorage.model.errors import HostError
from moorage.model.meta import Key, is_true
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.run.asking import Answers, read_answers
from moorage.run.power import POWER_ANNOTATION
from moorage.run.vantage_io import run_at

NAMESPACE = "default"
PATIENCE = 15.0
"""Seconds that a disturbance is given to show in the API."""

CUT_REQUESTS = 400
CUT_CONCURRENCY = 4
CUT_INTERVAL = 0.08
"""A client that asks about 50 times a second, for about 8 s: the node is cut in the first."""


class Traffic:
    """Asks from the vantage points of one system."""

    def __init__(self, plan: LabPlan, client: Client, kubeconfig: str, kubectl: str) -> None:
        self.plan = plan
        self.client = client
        self._kubeconfig = kubeconfig
        self._kubectl = kubectl

    async def kubectl(self, *arguments: str) -> str:
        """The real kubectl against the system; its output. Raises HostError with its words where it fails."""
        process = await asyncio.create_subprocess_exec(
            self._kubectl, "--kubeconfig", self._kubeconfig, "--cache-dir", str(self.plan.state / "kubectl-cache"), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise HostError(f"kubectl {' '.join(arguments)}: {errors.decode().strip()}")
        return output.decode()

    async def ask(self, vantage: str, target: str, count: int, timeout: float = 5.0, method: str = "GET") -> Answers:
        return await self._ask(vantage, target, "--count", str(count), "--timeout", str(timeout), "--method", method)

    async def _ask(self, vantage: str, target: str, *options: str) -> Answers:
        finished = await run_at(self.plan, vantage, ("ask", target, *options), self.client)
        return read_answers(finished.output, finished.errors)

    async def pods(self, app: str) -> Sequence[Pod]:
        """The Pods with the label `app`, by name."""
        found, _ = await self.client.list(Pod, NAMESPACE, labels=f"app={app}")
        return found

    def nodes(self) -> Mapping[str, str]:
        """Name and address of every node."""
        return {each.name: str(each.address) for each in self.plan.node_machines}

    def pod_namespace(self, pod: Pod) -> str:
        """The network namespace of a running Pod."""
        return self.plan.pod_namespace(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)

    def in_pool(self, address: str) -> bool:
        first, _, last = self.plan.load_balancer_range.partition("-")
        return ipaddress.IPv4Address(first) <= ipaddress.IPv4Address(address) <= ipaddress.IPv4Address(last)

    @asynccontextmanager
    async def client_route_through(self, node: str, address: str) -> AsyncIterator[None]:
        """The external client sends packets for that address to a node, as somebody with bad intentions would."""
        gateway = str(self.plan.machine(node).address)
        await self._ip("client", "route", "add", f"{address}/32", "via", gateway)
        try:
            yield
        finally:
            await self._ip("client", "route", "del", f"{address}/32", "via", gateway)

    async def _ip(self, vantage: str, *arguments: str) -> None:
        finished = await run_at(self.plan, vantage, ("ip", *arguments), self.client)
        if finished.status != 0:
            raise HostError(f"ip {' '.join(arguments)}: {finished.errors.strip()}")

    async def seconds_to_leave(self, pod: str, vantage: str, target: str) -> float:
        """Makes the Pod fail its readiness probe while `target` is asked without pause, and ready again at the end.

        From the moment when the API says that it is unready to the last answer from it; negative when it left before.
        """
        key = Key(NAMESPACE, pod)
        address = (await self.client.get(Pod, key)).status.pod_ip
        await self._tell(vantage, address, "unready")
        try:
            await self._until_ready(key, False)
            since, last = time.monotonic(), float("-inf")
            while (now := time.monotonic()) - since < 1.5:
                if pod in (await self.ask(vantage, target, 20)).pods:
                    last = now
            return last - since
        finally:
            await self._tell(vantage, address, "ready")
            await self._until_ready(key, True)

    async def _tell(self, vantage: str, address: str, word: str) -> None:
        answers = await self.ask(vantage, f"http://{address}:8080/{word}", 1, method="POST")
        if answers.failed:
            raise HostError(f"{address} did not hear {word!r}: {answers.failures()}")

    async def _until_ready(self, key: Key, ready: bool) -> None:
        limit = time.monotonic() + PATIENCE
        while is_true((await self.client.get(Pod, key)).status.conditions, "Ready") != ready:
            if time.monotonic() > limit:
                raise HostError(f"pod {key} did not become {'ready' if ready else 'unready'} within {PATIENCE:.0f} s")
            await asyncio.sleep(0.005)

    async def power(self, node: str, on: bool) -> None:
        """The wish goes through the API, as a person's would; returns once the node is seen to be ready or not."""
        value = None if on else "off"
        await self.client.merge_patch(Node, Key("", node), {"metadata": {"annotations": {POWER_ANNOTATION: value}}})
        limit = time.monotonic() + PATIENCE
        while is_true((await self.client.get(Node, Key("", node))).status.conditions, "Ready") != on:
            if time.monotonic() > limit:
                raise HostError(f"{node} did not turn {'ready' if on else 'unready'} within {PATIENCE:.0f} s")
            await asyncio.sleep(0.05)

    async def ask_while_node_is_cut(self, vantage: str, target: str, node: str) -> Answers:
        """New connections without pause before, during and after a node loses its power."""
        asking = asyncio.create_task(
            self._ask(
                vantage, target, "--count", str(CUT_REQUESTS), "--concurrency", str(CUT_CONCURRENCY),
                "--interval", str(CUT_INTERVAL), "--timeout", "10",
            )
        )  # fmt: skip
        await asyncio.sleep(1.0)
        await self.power(node, False)
        return await asking
