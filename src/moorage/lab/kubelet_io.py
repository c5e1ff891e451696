"""The kubelet of one lab node: registers it, renews its Lease, and keeps the Pods that are bound to it.

    API -> Mirror(Pods of this node, the Node) -> one PodKeeper per Pod -> processes; status, events, Lease -> API

All kubelets of a lab run in one process. Each speaks to the API through a client whose sockets are opened inside its node's
namespace, so that a node that is cut off falls silent. Constructors start nothing; `run` serves, `stop` ends.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address

import msgspec
import structlog

from moorage.client.mirror_io import Mirror, Want
from moorage.client.notes import Notes
from moorage.client.perform_io import perform
from moorage.lab.containers import BackOff
from moorage.lab.lifecycle import Remark
from moorage.lab.node_object import Host, conditions, is_reported_ready, lease, lease_key, node_object
from moorage.lab.plan import LabPlan, next_pod_address
from moorage.lab.pod_io import PodKeeper
from moorage.lab.status_io import StatusReporter
from moorage.model.clock import micro_timestamp
from moorage.model.cluster import Lease, Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from moorage.model.net import parse_address
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Note

COMPONENT = "kubelet"

log = structlog.get_logger()


class KubeletSettings(msgspec.Struct, frozen=True):
    """Seconds everywhere. The Lease is renewed every `lease_interval` and says that it holds for `lease_duration`.
    `environment` goes to every container.
    """

    lease_interval: float = 0.5
    lease_duration: int = 3
    retry: float = 0.2
    back_off: BackOff = BackOff()
    cluster_domain: str = "cluster.local"
    environment: Mapping[str, str] = {}


def without_nameserver(_: Pod) -> str:
    """The resolv.conf of a cluster that has no DNS."""
    return "# This cluster has no DNS server.\n"


class Kubelet:
    """One node's kubelet. `resolv_conf` makes the text of a Pod's /etc/resolv.conf; `clock` gives seconds since the epoch."""

    def __init__(
        self,
        plan: LabPlan,
        node: str,
        client: Client,
        settings: KubeletSettings = KubeletSettings(),  # noqa: B008 -- a frozen value
        resolv_conf: Callable[[Pod], str] = without_nameserver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.plan, self.machine = plan, plan.machine(node)
        self.back_off, self.cluster_domain, self.environment = settings.back_off, settings.cluster_domain, settings.environment
        self._client, self._settings = client, settings
        self._resolv_conf, self._clock = resolv_conf, clock
        self._keepers: dict[str, PodKeeper] = {}
        self._addresses: set[IPv4Address] = set()
        self._last_address: IPv4Address | None = None
        self._notes: asyncio.Queue[Note] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serves until cancelled or stopped; Pods that are bound to the node already are started."""
        self._running = asyncio.current_task()
        mirror = Mirror(
            self._client,
            [Want(Pod, fields=f"spec.nodeName={self.machine.name}"), Want(Node, fields=f"metadata.name={self.machine.name}")],
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._post_notes(), name="kubelet events")
            node = await self._register()
            tasks.create_task(self._stay_alive(node, mirror), name="kubelet lease")
            tasks.create_task(mirror.run(), name="kubelet mirror")
            while True:
                snapshot, changes = await mirror.next()
                self._follow_pods(snapshot, changes, tasks)

    async def stop(self) -> None:
        """Kills every Pod at once and falls silent, as when the machine loses its power; returns when nothing is left."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    @property
    def pods(self) -> tuple[Key, ...]:
        """The Pods that are kept now."""
        return tuple(sorted(each.pod.key for each in self._keepers.values()))

    # What a PodKeeper needs of its node.

    def now(self) -> float:
        return self._clock()

    def resolv_conf(self, pod: Pod) -> str:
        return self._resolv_conf(pod)

    def take_address(self, pod: Pod) -> IPv4Address:
        """A Pod that an earlier kubelet ran keeps its address."""
        assert self.machine.pod_cidr is not None, f"{self.machine.name} is no node"
        address = self._known_address(pod)
        if address is None or address in self._addresses:
            address = next_pod_address(self.machine.pod_cidr, self._addresses, self._last_address)
            self._last_address = address
        if address is None:
            raise HostError(f"every address of {self.machine.pod_cidr} is in use")
        self._addresses.add(address)
        return address

    def _known_address(self, pod: Pod) -> IPv4Address | None:
        known, cidr = parse_address(pod.status.pod_ip), self.machine.pod_cidr
        return known if isinstance(known, IPv4Address) and cidr is not None and known in cidr else None

    def free_address(self, address: IPv4Address) -> None:
        self._addresses.discard(address)

    def remark(self, pod: Pod, remark: Remark) -> None:
        self._notes.put_nowait(Note(pod, remark.reason, remark.message, remark.warning))

    # Pods.

    def _follow_pods(self, snapshot: Snapshot, changes: Changes, tasks: asyncio.TaskGroup) -> None:
        changed = changes.of(Pod)
        if self._last_address is None:
            known = [address for each in snapshot.all(Pod).values() if (address := self._known_address(each)) is not None]
            self._last_address = max(known, default=None)
        for keeper in tuple(self._keepers.values()):
            pod = snapshot.get(Pod, keeper.pod.key)
            if pod is None or pod.metadata.uid != keeper.uid:
                keeper.abandon()
            elif keeper.pod.key in changed:
                keeper.update(pod)
        for key in sorted(changed):
            pod = snapshot.get(Pod, key)
            if pod is not None and pod.metadata.uid not in self._keepers:
                keeper = PodKeeper(self, pod, StatusReporter(self._client, pod))
                self._keepers[keeper.uid] = keeper
                tasks.create_task(self._keep(keeper), name=f"pod {key}")

    async def _keep(self, keeper: PodKeeper) -> None:
        """Whatever goes wrong with one Pod stays with that Pod."""
        try:
            await keeper.run()
        except* (HostError, OSError) as errors:
            log.error("a pod was given up", pod=str(keeper.pod.key), errors=[str(each) for each in errors.exceptions])
        finally:
            del self._keepers[keeper.uid]

    async def _post_notes(self) -> None:
        """Events, one after the other: they never hold up a Pod, and losing one is no harm."""
        remembered = Notes()
        while True:
            notes = [await self._notes.get()]
            while not self._notes.empty():
                notes.append(self._notes.get_nowait())
            for failure in await perform(self._client, notes, COMPONENT, self._clock, remembered):
                log.warning("an event was not recorded", pod=str(failure.verb), error=failure.message)

    # The node.

    async def _register(self) -> Node:
        """The Node object, made or taken over; repeated until the API answers."""
        wanted = node_object(self.machine, this_host(), self._clock())
        while True:
            try:
                return await self._create_or_update(wanted)
            except (ApiError, HostError) as error:
                log.warning("the node is not registered yet", node=self.machine.name, error=str(error))
                await asyncio.sleep(self._settings.retry)

    async def _create_or_update(self, wanted: Node) -> Node:
        key = Key("", self.machine.name)
        try:
            await self._client.create(wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            patch = {"metadata": {"labels": wanted.metadata.labels}, "spec": msgspec.to_builtins(wanted.spec)}
            await self._client.merge_patch(Node, key, patch)
        known = await self._client.get(Node, key)
        status = msgspec.structs.replace(wanted.status, conditions=conditions(known.status.conditions, self._clock()))
        return await self._client.merge_patch(Node, key, {"status": msgspec.to_builtins(status)}, "status")

    async def _stay_alive(self, node: Node, mirror: Mirror) -> None:
        """Renews the Lease, then says that the node is ready if somebody declared it lost. What gets no answer in time is given
        up: the next time is near.
        """
        limit = max(1.0, self._settings.lease_interval)
        while True:
            try:
                async with asyncio.timeout(limit):
                    await self._renew_lease(node)
                    await self._stay_ready(mirror.snapshot)
            except (ApiError, HostError, TimeoutError) as error:
                log.debug("the node could not report", node=self.machine.name, error=str(error))
            await asyncio.sleep(self._settings.lease_interval)

    async def _renew_lease(self, node: Node) -> None:
        patch = {"spec": {"renewTime": micro_timestamp(self._clock()), "holderIdentity": self.machine.name}}
        try:
            await self._client.merge_patch(Lease, lease_key(self.machine.name), patch)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._client.create(lease(node, self._settings.lease_duration, self._clock()))

    async def _stay_ready(self, snapshot: Snapshot) -> None:
        node = snapshot.get(Node, Key("", self.machine.name))
        if node is not None and not is_reported_ready(node):
            patch = {"status": {"conditions": msgspec.to_builtins(conditions(node.status.conditions, self._clock()))}}
            await self._client.merge_patch(Node, node.key, patch, "status")


def this_host() -> Host:
    """The machine that the lab runs on, as its nodes report it."""
    return Host(
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux") if os.path.exists("/etc/os-release") else "Linux",
        architecture=platform.machine(),
        processors=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024,
    )
