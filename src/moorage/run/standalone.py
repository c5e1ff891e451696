"""`moorage up`: the whole system on one machine. The supervisor builds the lab, starts the roles, and is every node's kubelet.

sweep -> network namespaces -> server -> controller, nodes, edge, kubelets -> add-ons -> everything is ready
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import structlog

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.machines_io import build
from moorage.lab.plan import INTERFACE, LabPlan
from moorage.lab.sweep_io import sweep
from moorage.model.cluster import Namespace
from moorage.model.errors import ApiError, HostError, UserError
from moorage.model.meta import Key
from moorage.model.service import ANNOUNCE
from moorage.run.addons import addons
from moorage.run.identities import ADMIN, CONTROLLER, READER, edge_identity, node_identity
from moorage.run.lab_node import LabNode
from moorage.run.power import follow_power
from moorage.run.roles_io import DEATHS, Role, RoleRunner, log_tail, stop_all
from moorage.run.state_io import Running, read_running, reader_kubeconfig, start_time, write_running

API_PORT = 6443
DNS_PORT = 10053
NODE_GRACE = 3.0
"""Seconds without a Lease until a node of the lab counts as lost; its kubelet renews it every half second."""
START_LIMIT = 30.0
"""Seconds that a part is given to come up."""

EDGE = "edge"
"""The name of the edge of the lab, and of its machine."""
LOAD_BALANCERS = ("edge", ANNOUNCE, "none")
DATAPLANES = ("auto", "nft")

log = structlog.get_logger()


class UpSettings(msgspec.Struct, frozen=True):
    """`port` is that of the API on the host's 127.0.0.1; 0 takes any free one."""

    instance: str = "moorage"
    nodes: int = 3
    load_balancer: str = "edge"
    dataplane: str = "auto"
    port: int = API_PORT

    @classmethod
    def checked(cls, instance: str, nodes: int, load_balancer: str, dataplane: str, port: int) -> UpSettings:
        """Raises UserError that names the option and what it may be."""
        if load_balancer not in LOAD_BALANCERS:
            raise UserError(
                f"--load-balancer is {', '.join(LOAD_BALANCERS[:-1])} or {LOAD_BALANCERS[-1]}, not {load_balancer!r}"
            )
        if dataplane not in DATAPLANES:
            raise UserError(f"--dataplane is {' or '.join(DATAPLANES)}, not {dataplane!r}")
        LabPlan(instance, nodes)
        return cls(instance, nodes, load_balancer, dataplane, port)


class Standalone:
    """One system, from `start` to `stop`. `step` reports progress."""

    def __init__(self, settings: UpSettings, step: Callable[[str], None]) -> None:
        self.settings = settings
        self.plan = LabPlan(settings.instance, settings.nodes)
        self.nodes: dict[str, LabNode] = {}
        self._step = step
        self._state = Path(self.plan.state)
        self._runners: list[RoleRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        self._client: HttpClient | None = None
        self._port = 0

    @property
    def client(self) -> HttpClient:
        """The administrator's, on the host's loopback."""
        assert self._client is not None, "the system is not started"
        return self._client

    @property
    def kubeconfig(self) -> Path:
        return self._state / "kubeconfig"

    @property
    def server_url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Raises UserError where one of that name runs, HostError where a part does not come up. Nothing is left then."""
        if running := read_running(self.settings.instance):
            raise UserError(f"{self.settings.instance!r} runs already (process {running.pid}): end it with `moorage down`")
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self._step(f"making {len(self.plan.machines)} machines and a LAN out of network namespaces")
        sweep(self.settings.instance)
        (self._state / "logs").mkdir(parents=True)
        self._state.chmod(0o700)
        await build(self.plan)
        self._step("starting the API server")
        await self._start_server()
        self._step(f"starting controllers, {self.settings.nodes} node agents and the load balancer")
        await self._start_others()
        self._step("waiting until every node is ready")
        await asyncio.gather(*(each.ready(START_LIMIT) for each in self.nodes.values()))
        self._tasks.append(asyncio.create_task(follow_power(self.client, self.nodes), name="power"))
        pid = os.getpid()
        write_running(self.running(pid, start_time(pid) or 0))

    def running(self, pid: int, started: int) -> Running:
        settings = self.settings
        return Running(
            instance=settings.instance,
            pid=pid,
            started=started,
            nodes=settings.nodes,
            load_balancer=settings.load_balancer,
            server=self.server_url,
            kubeconfig=str(self.kubeconfig),
        )

    async def _start_server(self) -> None:
        """The server lives in its own namespace; its door on the host's loopback is opened here and handed down."""
        door = self._stack.enter_context(_listen(self.settings.port))
        self._port = door.getsockname()[1]
        inside = f"https://{self.plan.server.address}:{API_PORT}"
        arguments = ["server", "--data-dir", str(self._state / "data"), "--listen", f"{self.plan.server.address}:{API_PORT}"]
        arguments += ["--listen-fd", str(door.fileno()), "--advertise", f"{self.plan.server.address}:{API_PORT}"]
        for user, path in ((ADMIN, self.kubeconfig), (READER, reader_kubeconfig(self.settings.instance))):
            arguments += ["--kubeconfig-out", f"{user}={self.server_url}={path}"]
        agents = (edge_identity(EDGE), *(node_identity(each.name) for each in self.plan.node_machines))
        for word in (CONTROLLER, READER, *agents):
            arguments += ["--kubeconfig-out", f"{word}={inside}={self._inside(word)}"]
        server = await self._run(Role("server", "server", tuple(arguments), (door.fileno(),)))
        self._client = await self._stack.enter_async_context(await self._reach_api(server))

    async def _reach_api(self, server: RoleRunner) -> HttpClient:
        """A client once the server answers. Raises HostError with the end of its log where it does not."""
        limit = asyncio.get_running_loop().time() + START_LIMIT
        while asyncio.get_running_loop().time() < limit and server.deaths < DEATHS:
            if self.kubeconfig.exists():
                client = HttpClient(load(str(self.kubeconfig)), user_agent="moorage-up")
                with suppress(ApiError, HostError):
                    async with HttpClient(load(str(self.kubeconfig)), user_agent="moorage-up") as probe:
                        await probe.get(Namespace, Key("", "default"))
                        return client
            await asyncio.sleep(0.02)
        raise HostError(f"the API server does not come up; its log ends:\n{log_tail(self.plan, 'server')}")

    async def _start_others(self) -> None:
        balancer = self.settings.load_balancer
        arguments = (
            "--kubeconfig",
            str(self._inside(CONTROLLER)),
            "--load-balancer",
            balancer,
            "--node-grace",
            str(NODE_GRACE),
        )
        await self._run(Role("controller", "server", ("controller", *arguments)))
        if balancer == "edge":
            where = ("--interface", INTERFACE, "--run-dir", str(self._state / "edge"))
            who = ("--name", EDGE, "--kubeconfig", str(self._inside(edge_identity(EDGE))))
            await self._run(Role(EDGE, EDGE, ("edge", *who, *where)))
        pool = self.plan.load_balancer_range if balancer != "none" else None
        for each in addons(str(self.plan.dns_address), pool, announced=balancer == ANNOUNCE):
            await self.client.create(each)
        for machine in self.plan.node_machines:
            kubeconfig = self._inside(node_identity(machine.name))
            self.nodes[machine.name] = LabNode(self.plan, machine, kubeconfig, DNS_PORT)
        await asyncio.gather(*(each.start() for each in self.nodes.values()))

    async def _run(self, role: Role) -> RoleRunner:
        runner = RoleRunner(self.plan, role)
        self._runners.append(runner)
        await runner.start()
        return runner

    def _inside(self, word: str) -> Path:
        """A kubeconfig for the machines of the lab: each part has one of its own."""
        return self._state / "kubeconfigs" / word.replace(":", "-")

    async def stop(self) -> None:
        """Ends every process and takes everything away, however far `start` came."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.nodes.values()))
        await stop_all(self._runners)
        await self._stack.aclose()
        sweep(self.settings.instance)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise UserError(f"port {port} of 127.0.0.1 is in use: end what uses it, or choose another with --port") from error
