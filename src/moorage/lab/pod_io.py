"""Keeps one Pod: performs what `lifecycle` decides, feeds back what happens, and tells the API how the Pod is.

One task per Pod waits for events and due times; starts, ends and probes are tasks that report to it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from signal import SIGTERM
from typing import Any, Protocol

from moorage.lab import pod_run
from moorage.lab.containers import BackOff, Waiting
from moorage.lab.environment import PodFacts, environment, expanded, hosts_text
from moorage.lab.files_io import NSSWITCH, write_files
from moorage.lab.images import Refused, command_of
from moorage.lab.launch import pod_entry, pod_hostname, process_file
from moorage.lab.lifecycle import Action, Attach, Attempt, Finish, Remark, Signal, Start, decide
from moorage.lab.plan import LabPlan, Machine
from moorage.lab.pod_network_io import attach_pod, detach_pod
from moorage.lab.pod_run import PodRun, first_run
from moorage.lab.pod_status import pod_status
from moorage.lab.probe_io import Target, attempt
from moorage.lab.probes import probe_of
from moorage.lab.processes_io import Process, Wish, spawn
from moorage.lab.status_io import StatusReporter
from moorage.model.errors import HostError
from moorage.model.pods import Container, Pod
from moorage.model.reason import Reason


class Surroundings(Protocol):
    """What a Pod's keeper needs of its node: the kubelet."""

    plan: LabPlan
    machine: Machine
    back_off: BackOff
    cluster_domain: str
    environment: Mapping[str, str]

    def now(self) -> float: ...

    def resolv_conf(self, pod: Pod) -> str: ...

    def take_address(self, pod: Pod) -> IPv4Address:
        """A free address of the node. Raises HostError where there is none."""
        ...

    def free_address(self, address: IPv4Address) -> None: ...

    def remark(self, pod: Pod, remark: Remark) -> None:
        """Records an event; does not wait."""
        ...


class PodKeeper:
    """One Pod on its node, from `run` until it ends. `update` tells of a new version, `abandon` that the object is gone."""

    def __init__(self, node: Surroundings, pod: Pod, reporter: StatusReporter) -> None:
        self.pod = pod
        self._node, self._reporter = node, reporter
        self._run: PodRun = first_run(pod, node.now())
        self._status = pod.status
        self._processes: dict[str, Process] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._probing: dict[str, set[asyncio.Task[None]]] = {}
        self._address: IPv4Address | None = None
        self._tasks: asyncio.TaskGroup
        self._working: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._gone = False
        meta = pod.metadata
        self._namespace = node.plan.pod_namespace(meta.namespace, meta.name, meta.uid)
        self._directory = Path(node.plan.pod_directory(meta.namespace, meta.name, meta.uid))

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    def update(self, pod: Pod) -> None:
        self.pod = pod
        self._news.set()

    def abandon(self) -> None:
        """The API has forgotten the Pod (deletion without grace): it ends at once and nothing is reported."""
        self._gone = True
        self._news.set()

    async def run(self) -> None:
        """Until the Pod is deleted, or until cancelled; its processes and network are gone in either case."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._spawn(self._reporter.run())
                while not self._gone and not self._run.finished:
                    await self._step()
                for task in tuple(self._working):
                    task.cancel()
        finally:
            await self._clear()
        shutil.rmtree(self._directory, ignore_errors=True)
        if not self._gone:
            await self._reporter.finish(self._status)

    async def _step(self) -> None:
        """Decides, acts, tells, waits."""
        self._news.clear()
        now = self._node.now()
        decision = decide(self.pod, self._run, now, self._node.back_off)
        self._run = decision.run
        for note in decision.notes:
            self._node.remark(self.pod, note)
        for action in decision.actions:
            self._perform(action)
        status = pod_status(self.pod, self._run, self._status, str(self._node.machine.address), now)
        if status != self._status:
            self._status = status
            if not self._run.finished:
                self._reporter.report(status)
        if not self._run.finished:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if decision.wake_at is None else max(0.0, decision.wake_at - now)):
                    await self._news.wait()

    def _perform(self, action: Action) -> None:
        match action:
            case Attach():
                self._spawn(self._attach())
            case Start(container):
                self._spawn(self._start(container))
            case Signal(name, kill):
                self._signal(name, kill)
            case Attempt():
                task = self._spawn(self._attempt(action))
                probing = self._probing.setdefault(action.container.name, set())
                probing.add(task)
                task.add_done_callback(probing.discard)
            case Finish():
                pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work, name=f"pod {self.pod.key}")
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def _happened(self, change: Callable[[PodRun], PodRun]) -> None:
        self._run = change(self._run)
        self._news.set()

    async def _attach(self) -> None:
        """The network namespace with its link, and the files that name resolution reads."""
        node, pod = self._node, self.pod
        try:
            if pod.spec.host_network:
                address = node.machine.address
            else:
                address = self._address = node.take_address(pod)
                await attach_pod(node.machine, self._namespace, address)
            files = {
                "resolv.conf": node.resolv_conf(pod),
                "hosts": hosts_text(pod, str(address), node.cluster_domain),
                "hostname": f"{pod_hostname(pod)}\n",
                "nsswitch.conf": NSSWITCH,
            }
            write_files(self._directory, files)
        except HostError as error:
            node.remark(pod, Remark(Reason.NETWORK_FAILED, f"the Pod's network could not be made: {error}", warning=True))
            await self._detach()
            self._happened(lambda run: pod_run.not_attached(run, node.now()))
        else:
            self._happened(lambda run: pod_run.attached(run, str(address)))

    async def _detach(self) -> None:
        if self._address is not None:
            await detach_pod(self._node.machine, self._namespace, self._address)
            self._node.free_address(self._address)
            self._address = None

    async def _start(self, container: Container) -> None:
        """The container's process, from its start to its end."""
        node, name = self._node, container.name
        try:
            process = await spawn(self._wish(container))
        except HostError as error:
            waiting = Waiting(Reason.CREATE_CONTAINER_ERROR.value, str(error))
            node.remark(self.pod, Remark(Reason.CREATE_CONTAINER_ERROR, f"Error: {error}", warning=True))
            self._happened(lambda run: pod_run.not_started(run, name, waiting, node.now(), node.back_off))
            return
        self._processes[name] = process
        Path(process_file(node.plan, self.pod, name)).write_text(f"{process.pid}\n")
        node.remark(self.pod, Remark(Reason.STARTED, f"Started container {name}"))
        self._happened(lambda run: pod_run.started(run, container, node.now()))
        code = await process.wait()
        for probing in tuple(self._probing.get(name, ())):
            probing.cancel()
        del self._processes[name]
        Path(process_file(node.plan, self.pod, name)).unlink(missing_ok=True)
        self._happened(lambda run: pod_run.exited(run, name, code, node.now()))

    def _wish(self, container: Container) -> Wish:
        """Raises HostError where the container cannot be given what it asks for."""
        node = self._node
        command = command_of(container)
        if isinstance(command, Refused):
            raise HostError(command.message)
        facts = PodFacts(self.pod, self._run.address, str(node.machine.address), str(node.plan.programs))
        variables, problems = environment(facts, container, node.environment)
        if problems:
            raise HostError("; ".join(problems))
        self._environments[container.name] = variables
        return Wish(
            entry=pod_entry(node.plan, self.pod),
            command=expanded(command, variables),
            environment=variables,
            directory=expanded((container.working_dir or "/",), {})[0],
            log=str(self._directory / f"{container.name}.log"),
            first=True,
        )

    def _signal(self, name: str, kill: bool) -> None:
        if (process := self._processes.get(name)) is None:
            return
        if kill:
            process.kill()
        else:
            process.send(SIGTERM)

    async def _attempt(self, action: Attempt) -> None:
        """One probe. A failure that counts is an event; one that ends with the container is nothing."""
        container, kind = action.container, action.kind
        probe, process = probe_of(container, kind), self._processes.get(container.name)
        if probe is None or process is None:
            return
        target = Target(
            container,
            self._run.address,
            self._node.machine.namespace,
            pod_entry(self._node.plan, self.pod, process.pid),
            self._environments[container.name],
            str(self._directory / f"{container.name}.{kind.value.lower()}"),
        )
        outcome = await attempt(probe, target)
        progress = self._run.containers[container.name].probes.get(kind)
        if not outcome.success and progress is not None and progress.counts:
            text = f"{kind.value} probe failed: {outcome.message}"
            self._node.remark(self.pod, Remark(Reason.UNHEALTHY, text, warning=True))
        self._happened(lambda run: pod_run.probed(run, container, kind, outcome.success, self._node.now()))

    async def _clear(self) -> None:
        """Kills what runs, waits for its end, takes the network away."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            await process.wait()
        await self._detach()
