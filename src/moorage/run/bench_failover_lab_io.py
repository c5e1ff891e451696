"""A small network for benchmarks and tests of failover: nodes that announce an address, a client that asks it, one
backend.

    client 198.18.0.100 ---+
    node-N 198.18.0.(10+N) +--- LAN ---+ server 198.18.0.2: the backend
    node-N 198.19.0.(10+N) +--- management network ---+ server 198.19.0.2: the API

Nodes are real: `moorage node` in a namespace, with its speaker. All of it ends with the block; a killed benchmark
leaves empty namespaces, which `moorage down --instance` takes away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from moorage.announce.election import elect
from moorage.announce.roll import view_of
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.socket_io import AddressInfo
from moorage.lab import netns_io
from moorage.lab.launch import PYTHON, Entry, command_line
from moorage.lab.machines_io import QUIET, ROUTER, link_index, routing
from moorage.lab.netns_io import socket_in
from moorage.lab.plan import LAN
from moorage.lab.sweep_io import sweep
from moorage.model.announcing import NODES, Group
from moorage.model.cluster import SYSTEM_NAMESPACE, TO_BE_DELETED_TAINT, Lease, Namespace, Node
from moorage.model.errors import ApiError, HostError
from moorage.model.lb import IPAddressPool, IPAddressPoolSpec
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.metallb import L2Advertisement
from moorage.model.service import Service, ServiceSpec
from moorage.run import bench_failover_load_io
from moorage.run.agent_process import AgentProcess
from moorage.run.bench_lab import PORT, TARGET_PORT, node_object, service, slices
from moorage.run.bench_objects import NAMESPACE
from moorage.run.identities import edge_identity, node_identity
from moorage.run.server_process import ServerProcess
from moorage.run.stacked_io import Stacked

MANAGEMENT = IPv4Network("198.19.0.0/16")
CLIENT_ADDRESS, SERVER_ADDRESS, API_ADDRESS = LAN[100], LAN[2], MANAGEMENT[2]
POOL = IPv4Network("198.18.100.0/24")
BRIDGES = ("lan", "management")
CLUSTER = "10.244.0.0/16"
PROGRAM = (*PYTHON, bench_failover_load_io.__file__)
PAUSE = 0.02
FORM_SECONDS = 30.0


class Window(msgspec.Struct, frozen=True):
    """What a client met since it was asked last: requests, those without an answer, the longest time without any in
    seconds. `out_now`: the last one was not answered.
    """

    asked: int
    lost: int
    outage_s: float
    out_now: bool


class Asking:
    """A client that asks an address all the time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def window(self) -> Window:
        """Since the last call; takes half a second."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        async with asyncio.timeout(10.0):
            line = await self.process.stdout.readline()
        return msgspec.json.decode(line, type=Window)

    async def answered(self, limit: float = 10.0) -> None:
        """Returns once requests are answered."""
        async with asyncio.timeout(limit):
            while (await self.window()).out_now:
                pass


class FailoverLab(Stacked):
    """A context. `client` is the administrator's. `names` are the machines that announce addresses, `nodes` those that
    are Nodes; here they are the same.
    """

    group: ClassVar[Group] = NODES
    load_balancer: ClassVar[str] = "moorage.dev/announce"
    client: HttpClient
    server: ServerProcess
    asking: Asking

    def __init__(self, instance: str, nodes: int = 3, addresses: int = 1, rate: float = 1000.0) -> None:
        self.instance = instance
        self.nodes = tuple(f"node-{number}" for number in range(1, nodes + 1))
        self.names = self.nodes
        self.addresses = tuple(POOL[number] for number in range(1, addresses + 1))
        self.agents: dict[str, AgentProcess] = {}
        self._rate = rate
        super().__init__()

    def namespace(self, machine: str) -> str:
        return f"{self.instance}-{machine}"

    @property
    def machines(self) -> tuple[str, ...]:
        """All that have an agent."""
        return tuple(dict.fromkeys((*self.nodes, *self.names)))

    def number(self, machine: str) -> int:
        """Of its addresses, and in its MAC."""
        return 10 + self.machines.index(machine) + 1

    def mac(self, machine: str) -> str:
        return f"02:00:00:00:00:{self.number(machine):02x}"

    async def owner(self, address: IPv4Address) -> str | None:
        """The machine whose MAC the client knows for an address."""
        async with routing(self.namespace("client")) as route:
            found = [each async for each in await route.get_neighbours(dst=str(address))]
        mac = found[0].get_attr("NDA_LLADDR") if found else None
        return next((name for name in self.names if self.mac(name) == mac), None)

    async def ask(self, address: IPv4Address) -> Asking:
        """Another program at the client, which asks this address until the lab ends."""
        return Asking(await self._spawn("client", "ask", str(address), str(PORT), str(self._rate)))

    async def formed(self) -> None:
        """Returns once everybody votes, and the first address is where it stays: with the one that is elected among all."""
        elected = elect(dict.fromkeys(self.addresses, self.names), frozenset(self.names))[self.addresses[0]]
        async with asyncio.timeout(FORM_SECONDS):
            while set((await self.view()).members) != set(self.names) or await self.owner(self.addresses[0]) != elected:  # noqa: ASYNC110
                await asyncio.sleep(PAUSE)
        await self.asking.answered()

    async def view(self) -> Any:
        try:
            return view_of(await self.client.get(Lease, self.group.view))
        except ApiError:
            return view_of(None)

    async def link(self, node: str, up: bool, bridge: str = "lan") -> None:
        """Plugs a node's cable in or pulls it, at the switch."""
        async with routing(self.namespace("lan")) as route:
            port = await link_index(route, f"{bridge[0]}-{node}")
            await route.link("set", index=port, state="up" if up else "down")

    def processes(self, machine: str) -> list[int]:
        """All of a machine: those in its network namespace."""
        own = netns_io.path(self.namespace(machine)).stat().st_ino
        found = []
        for each in Path("/proc").iterdir():
            if each.name.isdecimal():
                try:
                    found += [int(each.name)] if (each / "ns/net").stat().st_ino == own else []
                except OSError:
                    continue
        return found

    def speaker(self, node: str) -> int | None:
        """Its process."""
        for each in self.processes(node):
            try:
                if b"moorage.run.speaker" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0"):
                    return each
            except OSError:
                continue
        return None

    async def crash(self, node: str) -> None:
        """No word is said: cables cut and every process killed."""
        await self.link(node, False)
        await self.link(node, False, "management")
        for each in self.processes(node):
            os.kill(each, signal.SIGKILL)
        self.agents[node].kill()

    async def revive(self, node: str) -> None:
        await self.link(node, True)
        await self.link(node, True, "management")
        await self.agents[node].start()

    async def mark(self, node: str, going: bool) -> None:
        """As the cluster autoscaler does with a node that it is about to take away."""
        taints = [{"key": TO_BE_DELETED_TAINT, "effect": "NoSchedule"}] if going else None
        await self.client.merge_patch(Node, Key("", node), {"spec": {"taints": taints}})

    async def _set_up(self) -> None:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="moorage-failover-")))
        self._stack.callback(sweep, self.instance)
        await self._build()
        await self._spawn("server", "answer", str(TARGET_PORT))
        kubeconfigs = {name: directory / f"kubeconfig.{name}" for name in self.machines}
        identities = {name: node_identity(name) if name in self.nodes else edge_identity(name) for name in kubeconfigs}
        options = [word for name, who in identities.items() for word in ("--kubeconfig-out", f"{who}=={kubeconfigs[name]}")]
        prefix = command_line(Entry(self.namespace("server")), ())
        self.server = ServerProcess(directory, options, f"{API_ADDRESS}:6443", prefix)
        self._stack.callback(self.server.stop)
        self.server.start()
        self.client = HttpClient(load(self.server.kubeconfig), self._on_server, "moorage-bench")
        await self._stack.enter_async_context(self.client)
        await self._fill()
        for name, path in kubeconfigs.items():
            agent = self._agent(name, path, directory / f"{name}.log")
            self.agents[name] = agent
            self._stack.callback(agent.stop)
        await asyncio.gather(*(each.start() for each in self.agents.values()))
        self.asking = await self.ask(self.addresses[0])

    def _agent(self, name: str, kubeconfig: Path, log: Path) -> AgentProcess:
        return AgentProcess(self.namespace(name), name, kubeconfig, log, ("--cluster-cidr", CLUSTER))

    def _on_server(self, info: AddressInfo) -> socket.socket:
        return socket_in(self.namespace("server"), info[0], info[1], info[2])

    async def _spawn(self, machine: str, *words: str) -> asyncio.subprocess.Process:
        command = command_line(Entry(self.namespace(machine)), (*PROGRAM, *words))
        pipe = asyncio.subprocess.PIPE
        made = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
        self._stack.push_async_callback(_end, made)
        if words[0] == "answer":
            assert made.stdout is not None
            async with asyncio.timeout(10.0):
                if not await made.stdout.readline():
                    raise HostError("nobody listens at the backend: the program that answers there did not start")
        return made

    async def _fill(self) -> None:
        """Nodes, a pool, and one Service of one backend for each address."""
        await self.client.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
        for name in self.nodes:
            made, pods = node_object(), f"10.244.{self.number(name)}.0/24"
            told = (replace(made.status.addresses[0], address=str(LAN[self.number(name)])),)
            spec = replace(made.spec, pod_cidr=pods, pod_cidrs=(pods,))
            status = replace(made.status, addresses=told)
            await self.client.create(replace(made, metadata=ObjectMeta(name=name), spec=spec, status=status))
        pool = ObjectMeta(name="lan", namespace=SYSTEM_NAMESPACE)
        for obj in _announcements(pool):
            await self.client.create(obj)
        for number, address in enumerate(self.addresses):
            await self.serve(f"failover-{number}", address)

    async def serve(self, name: str, address: IPv4Address) -> None:
        """A Service that has the address, and the backend."""
        spec = ServiceSpec(type="LoadBalancer", load_balancer_class=self.load_balancer)
        made = await self.client.create(service(name, spec, udp=True))
        for each in slices(name, (str(SERVER_ADDRESS),), "", udp=True):
            await self.client.create(each)
        status = {"loadBalancer": {"ingress": [{"ip": str(address), "ipMode": "VIP"}]}}
        await self.client.merge_patch(Service, made.key, {"status": status}, "status")

    async def _build(self) -> None:
        for machine in ("lan", "server", "client", *self.machines):
            netns_io.create(self.namespace(machine))
            with netns_io.inside(self.namespace(machine)):
                netns_io.set_sysctl({**QUIET, **(ROUTER if machine in self.machines else {})})
        async with routing(self.namespace("lan")) as route:
            for bridge in BRIDGES:
                await route.link("add", ifname=bridge, kind="bridge", state="up")
        await self._plug("client", {"lan": CLIENT_ADDRESS}, "02:00:00:00:00:64")
        await self._plug("server", {"lan": SERVER_ADDRESS, "management": API_ADDRESS}, "02:00:00:00:00:02")
        for name in self.machines:
            number = self.number(name)
            await self._plug(name, {"lan": LAN[number], "management": MANAGEMENT[number]}, self.mac(name))

    async def _plug(self, machine: str, addresses: Mapping[str, IPv4Address], mac: str) -> None:
        """The LAN is eth0, management eth1."""
        for number, (bridge, address) in enumerate(addresses.items()):
            async with routing(self.namespace("lan")) as route:
                with netns_io.opened(self.namespace(machine)) as far_end:
                    peer: dict[str, Any] = {"ifname": f"eth{number}", "net_ns_fd": far_end}
                    peer |= {"address": mac} if number == 0 else {}
                    master = await link_index(route, bridge)
                    name = f"{bridge[0]}-{machine}"
                    await route.link("add", ifname=name, kind="veth", peer=peer, master=master, state="up")
            async with routing(self.namespace(machine)) as route:
                await route.link("set", index=1, state="up")
                own = await link_index(route, f"eth{number}")
                await route.link("set", index=own, state="up")
                await route.addr("add", index=own, address=str(address), prefixlen=16)


def _announcements(pool: ObjectMeta) -> tuple[Object, ...]:
    spec = IPAddressPoolSpec(addresses=(str(POOL),))
    return IPAddressPool(metadata=pool, spec=spec), L2Advertisement(metadata=pool)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
