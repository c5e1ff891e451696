"""One node of the lab: its agent as a process in its namespace, its kubelet in this process, and its cable."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import structlog

from moorage.balance.health import HealthSettings
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.socket_io import AddressInfo
from moorage.dns.resolv import resolv_conf
from moorage.lab.kubelet_io import Kubelet
from moorage.lab.machines_io import power
from moorage.lab.netns_io import socket_in
from moorage.lab.plan import LabPlan, Machine
from moorage.model.errors import HostError
from moorage.model.pods import Pod
from moorage.run.roles_io import DEATHS, Role, RoleRunner, log_tail

HEALTH = HealthSettings()
HEALTH_REQUEST = b"GET /livez HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
POLL = 0.03

log = structlog.get_logger()


class LabNode:
    """Switched on by `start`, off by `stop`; `power` does either, as the power button does: nothing is told to anybody."""

    def __init__(self, plan: LabPlan, machine: Machine, kubeconfig: Path, dns_port: int) -> None:
        self.on = False
        self._plan = plan
        self._machine = machine
        self._kubeconfig = str(kubeconfig)
        self._agent = RoleRunner(plan, self._role(dns_port))
        self._kubelet: asyncio.Task[None] | None = None

    def _role(self, dns_port: int) -> Role:
        name = self._machine.name
        arguments = ("--name", name, "--kubeconfig", self._kubeconfig, "--cluster-cidr", str(self._plan.cluster_cidr))
        return Role(name, name, ("node", *arguments, "--dns-port", str(dns_port)))

    async def start(self) -> None:
        self.on = True
        self._kubelet = asyncio.create_task(self._run_kubelet(), name=f"kubelet {self._machine.name}")
        await self._agent.start()

    async def stop(self, grace: float = 3.0) -> None:
        """`grace` seconds for the agent; Pods are killed at once."""
        self.on = False
        if self._kubelet is not None:
            self._kubelet.cancel()
            with suppress(asyncio.CancelledError):
                await self._kubelet
            self._kubelet = None
        await self._agent.stop(grace)

    async def power(self, on: bool) -> None:
        log.info("power", node=self._machine.name, on=on)
        if on:
            await power(self._plan, self._machine.name, True)
            await self.start()
        else:
            await power(self._plan, self._machine.name, False)
            await self.stop(grace=0)

    async def ready(self, limit: float) -> None:
        """Returns when the agent has its first table in the kernel. Raises HostError with its log after `limit` seconds."""
        end = asyncio.get_running_loop().time() + limit
        while not await healthy(self._machine.namespace):
            if asyncio.get_running_loop().time() > end or self._agent.deaths >= DEATHS:
                name = self._machine.name
                raise HostError(f"{name} does not become ready; its log ends:\n{log_tail(self._plan, name)}")
            await asyncio.sleep(POLL)

    async def _run_kubelet(self) -> None:
        """The kubelet's connections are made on its node: a node without its cable falls silent, as in reality."""

        def on_node(info: AddressInfo) -> socket.socket:
            return socket_in(self._machine.namespace, info[0], info[1], info[2])

        async with HttpClient(load(self._kubeconfig), on_node, "kubelet") as client:
            await Kubelet(self._plan, self._machine.name, client, resolv_conf=self._resolv_conf).run()

    def _resolv_conf(self, pod: Pod) -> str:
        return resolv_conf(pod, (str(self._plan.dns_address),))


async def healthy(namespace: str) -> bool:
    """Whether /livez of the node agent there says 200, asked from the node itself."""
    asking = socket_in(namespace)
    try:
        await asyncio.get_running_loop().sock_connect(asking, ("127.0.0.1", HEALTH.port))
        reader, writer = await asyncio.open_connection(sock=asking)
        writer.write(HEALTH_REQUEST)
        answer = await reader.readline()
        writer.close()
    except OSError:
        asking.close()
        return False
    return b" 200 " in answer
