"""A small lab for benchmarks of the node agent: a node with the real API server and the real agent, clients, and backends.

    async with BenchLab() as lab:                    namespaces, links, backends that answer, the API server
        samples = await lab.load(Fill(5000, 50))     Services and EndpointSlices through the API
        seconds = await lab.agent.start()            the process `moorage node`, until /healthz says 200
        await lab.reach(lab.inside, sample.cluster_ip, PORT)
        lab.agent.peak_bytes(); lab.agent.stop()     the kernel keeps forwarding
        await lab.agent.start()                      with the state kept; after lab.forget() from nothing

All of it ends with the block, also when it is cancelled. A killed benchmark leaves empty namespaces (its processes die with
it): `moorage down --instance bench-PID` takes them away. The loop must be asyncio's own: uvloop does not take pyroute2's
netlink sockets.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.socket_io import AddressInfo
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.lab.launch import PYTHON, Entry, command_line
from moorage.lab.netns_io import inside, socket_in
from moorage.lab.sweep_io import sweep
from moorage.model.cluster import Namespace
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.service import Service
from moorage.run import bench_echo_io
from moorage.run.agent_process import AgentProcess
from moorage.run.bench_lab import CLUSTER, NODE, TARGET_PORT, BenchPlan, Fill, Sample, backend, node_object
from moorage.run.bench_network_io import build
from moorage.run.bench_objects import NAMESPACE
from moorage.run.bench_wire import Endpoint, create_all
from moorage.run.identities import node_identity
from moorage.run.server_process import ServerProcess
from moorage.run.stacked_io import Stacked

LOAD_CONNECTIONS = 16
REACH_SECONDS = 30.0
ANSWER_SECONDS = 0.2
_PAUSE = 0.002
_ECHO_SECONDS = 10.0


class BenchLab(Stacked):
    """A context. `client` is the administrator's, with its connections made on the node, where the API server listens."""

    client: HttpClient
    server: ServerProcess
    agent: AgentProcess
    echo: subprocess.Popen[bytes]

    def __init__(self, plan: BenchPlan | None = None, agent_options: Sequence[str] = ()) -> None:
        self.plan = plan or BenchPlan.of_this_process()
        self._agent_options = agent_options
        super().__init__()

    @property
    def node(self) -> str:
        """The network namespace of the node. So are the next three."""
        return self.plan.node

    @property
    def outside(self) -> str:
        return self.plan.outside

    @property
    def inside(self) -> str:
        return self.plan.inside

    @property
    def backends(self) -> str:
        return self.plan.backends

    async def load(self, fill: Fill) -> tuple[Sample, ...]:
        """Creates all of it, as fast as the API server goes. Raises HostError where it refuses something."""
        endpoint = Endpoint.of(self.client.access, self.node)
        await create_all(endpoint, (endpoint.post(each) for each in fill.written()), LOAD_CONNECTIONS)
        samples = []
        for number in fill.sampled():
            made = await self.client.get(Service, Key(NAMESPACE, f"web-{number}"))
            samples.append(Sample(made.key, made.spec.cluster_ip, fill.addresses(number)))
        return tuple(samples)

    async def reach(self, namespace: str, address: str, port: int) -> str:
        """What answers there over TCP, "PEER OWN", once somebody does. Raises HostError after 30 s."""
        end = time.monotonic() + REACH_SECONDS
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await _ask(namespace, address, port)
            except (OSError, TimeoutError):
                await asyncio.sleep(_PAUSE)
        raise HostError(f"{address}:{port} was not reached from {namespace} within {REACH_SECONDS:.0f} s")

    def forget(self) -> None:
        """Takes what the agent wrote into the kernel away. It must not run."""
        with inside(self.node):
            NftDatapath().remove()

    def command(self, namespace: str, command: Sequence[str]) -> list[str]:
        """The command line of a program that runs in that namespace and dies with this process."""
        return command_line(Entry(namespace), command)

    async def _set_up(self) -> None:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="moorage-bench-")))
        self._stack.callback(sweep, self.plan.instance)
        await build(self.plan)
        self._start_echo()
        kubeconfig = directory / "kubeconfig.node"
        for_agent = ("--kubeconfig-out", f"{node_identity(NODE)}=={kubeconfig}")
        self.server = ServerProcess(directory, for_agent, prefix=self.command(self.node, ()))
        self._stack.callback(self.server.stop)
        self.server.start()
        self.client = HttpClient(load(self.server.kubeconfig), self._on_node, "moorage-bench")
        await self._stack.enter_async_context(self.client)
        await self.client.create(Namespace(api_version="v1", kind="Namespace", metadata=ObjectMeta(name=NAMESPACE)))
        await self.client.create(node_object())
        options = ("--cluster-cidr", str(CLUSTER), *self._agent_options)
        self.agent = AgentProcess(self.node, NODE, kubeconfig, directory / "agent.log", options)
        self._stack.callback(self.agent.stop)

    def _on_node(self, info: AddressInfo) -> socket.socket:
        return socket_in(self.node, info[0], info[1], info[2])

    def _start_echo(self) -> None:
        program = (*PYTHON, bench_echo_io.__file__, str(TARGET_PORT))
        command = self.command(self.backends, program)
        self.echo = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        self._stack.callback(_end, self.echo)
        assert self.echo.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.echo.stdout, selectors.EVENT_READ)
            if not waiting.select(_ECHO_SECONDS) or not self.echo.stdout.readline():
                raise HostError(f"nobody listens at {backend(0)}: the program that answers there did not start")


def _end(child: subprocess.Popen[bytes]) -> None:
    with child:
        child.kill()


async def _ask(namespace: str, address: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    with socket_in(namespace) as asking:
        await loop.sock_connect(asking, (address, port))
        await loop.sock_sendall(asking, b"?")
        return (await loop.sock_recv(asking, 200)).decode()
