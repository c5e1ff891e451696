"""The edge: a load balancer in front of the cluster, as a cloud has it.

Services + health of the nodes -> ForwardingTable (backends are NodePorts of healthy nodes) -> nftables
                               -> addresses on its interface, announced to the neighbours
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import structlog

from moorage.announce.addresses import owned
from moorage.announce.interface_io import InterfaceAnnouncer
from moorage.balance.edge import edge_table
from moorage.balance.health import HealthSettings
from moorage.balance.probe_io import NodeProber
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import Node
from moorage.model.errors import HostError
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.model.withdrawal import EDGE
from moorage.observe.health_io import HealthServer
from moorage.run.acknowledge_io import Acknowledger
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.self_check_io import Standing
from moorage.table.self_check import with_self_check
from moorage.table.types import ForwardingTable

LOAD_BALANCER_CLASS = "moorage.dev/edge"
RETRY = 1.0
"""Seconds until an address that the kernel refused is tried again."""

log = structlog.get_logger()


class EdgeSettings(msgspec.Struct, frozen=True):
    """`interface` is the one at which the load-balancer addresses are owned."""

    name: str
    kubeconfig: str
    interface: str
    health_port: int = 10256
    beside_other_proxy: bool = False
    probes: HealthSettings = HealthSettings()


async def run_edge(settings: EdgeSettings) -> None:
    """Serves until cancelled, then gives the addresses up. The kernel keeps forwarding what is under way."""
    access = load(settings.kubeconfig)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    standing = Standing(forwarder, _log)
    health = HealthServer(settings.health_port, standing.health)
    health.listen()
    standing.listen()
    datapath.start()
    announcer = InterfaceAnnouncer(settings.interface)
    changed = asyncio.Event()
    async with HttpClient(access, user_agent="moorage-edge") as client, NodeProber(settings.probes) as prober:
        acknowledger = Acknowledger(client, EDGE, settings.name)
        try:
            async with asyncio.TaskGroup() as tasks:
                mirror = Mirror(client, [Want(Service), Want(EndpointSlice), Want(Node)])
                tasks.create_task(mirror.run(), name="mirror")
                tasks.create_task(health.serve(), name="health")
                tasks.create_task(guard(forwarder, _log), name="guard")
                tasks.create_task(standing.run(), name="self-check")
                tasks.create_task(acknowledger.run(), name="acknowledgements")
                tasks.create_task(_follow_objects(mirror, prober, acknowledger, changed), name="objects")
                tasks.create_task(_follow_health(prober, changed), name="node health")
                tasks.create_task(_follow_standing(standing, changed), name="standing")
                await _balance(mirror, prober, _Kernel(forwarder, standing, acknowledger, announcer), changed)
        finally:
            await announcer.release()
            await acknowledger.resign()


class _Kernel(NamedTuple):
    """What a table goes to: the rules, then who looks whether they work, who says that they are there, and the addresses."""

    forwarder: Forwarder
    standing: Standing
    acknowledger: Acknowledger
    announcer: InterfaceAnnouncer


def _log(reason: Reason, message: str, *, warning: bool = True) -> None:
    (log.warning if warning else log.info)(message, reason=reason.value)


async def _follow_objects(mirror: Mirror, prober: NodeProber, acknowledger: Acknowledger, changed: asyncio.Event) -> None:
    while True:
        snapshot, changes = await mirror.next()
        prober.follow(snapshot)
        acknowledger.see(snapshot, changes)
        changed.set()


async def _follow_health(prober: NodeProber, changed: asyncio.Event) -> None:
    while True:
        for each in await prober.next():
            log.info("node health", node=each.node, reason=each.reason.value, detail=each.detail)
        changed.set()


async def _follow_standing(standing: Standing, changed: asyncio.Event) -> None:
    while True:
        await standing.changed()
        changed.set()


async def _balance(mirror: Mirror, prober: NodeProber, kernel: _Kernel, changed: asyncio.Event) -> None:
    """Rules before addresses: an address is announced only while the kernel does with its traffic what it should."""
    forwarder, standing, acknowledger, announcer = kernel
    table, snapshot = ForwardingTable(), Snapshot()
    wake_in: float | None = None
    while True:
        try:
            async with asyncio.timeout(wake_in):
                await changed.wait()
            changed.clear()
            snapshot = mirror.snapshot
            table = edge_table(snapshot, prober.healthy, LOAD_BALANCER_CLASS, table)
            forwarder.apply(with_self_check(table))
        except TimeoutError:
            forwarder.wake()
        if forwarder.settled:
            acknowledger.hold(snapshot)
        wake_in = forwarder.wake_in
        if not standing.known:
            continue
        try:
            await announcer.own(owned(snapshot, LOAD_BALANCER_CLASS) if standing.healthy else frozenset())
        except HostError as error:
            log.error("an address is not owned", error=str(error), retry_in_s=RETRY)
            wake_in = RETRY if wake_in is None else min(RETRY, wake_in)
