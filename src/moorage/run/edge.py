"""The edge: a load balancer in front of the cluster, as a cloud has it.

Services + health of the nodes -> ForwardingTable (backends are NodePorts of healthy nodes) -> nftables
                               -> addresses on its interface, announced to the neighbours
"""

from __future__ import annotations

import asyncio

import structlog

from moorage.announce.addresses import owned
from moorage.announce.interface_io import InterfaceAnnouncer
from moorage.balance.edge import edge_table
from moorage.balance.health import HealthSettings
from moorage.balance.probe_io import NodeProber
from moorage.client.http_io import HttpClient
from moorage.client.mirror_io import Mirror, Want
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import Node
from moorage.model.errors import HostError
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.observe.health_io import HealthServer
from moorage.run.access import access_of
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.settings.roles import EdgeSettings
from moorage.table.types import ForwardingTable

LOAD_BALANCER_CLASS = "moorage.dev/edge"
RETRY = 1.0
"""Seconds until an address that the kernel refused is tried again."""

log = structlog.get_logger()


async def run_edge(settings: EdgeSettings) -> None:
    """Serves until cancelled, then gives the addresses up. The kernel keeps forwarding what is under way."""
    access = access_of(settings)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    health = HealthServer(settings.health_port, forwarder.health)
    health.listen()
    datapath.start()
    announcer = InterfaceAnnouncer(settings.interface)
    changed = asyncio.Event()
    try:
        async with (
            HttpClient(access, user_agent="moorage-edge") as client,
            NodeProber(_probes(settings)) as prober,
            asyncio.TaskGroup() as tasks,
        ):
            mirror = Mirror(client, [Want(Service), Want(EndpointSlice), Want(Node)])
            tasks.create_task(mirror.run(), name="mirror")
            tasks.create_task(health.serve(), name="health")
            tasks.create_task(guard(forwarder, _log), name="guard")
            tasks.create_task(_follow_objects(mirror, prober, changed), name="objects")
            tasks.create_task(_follow_health(prober, changed), name="node health")
            await _balance(mirror, prober, forwarder, announcer, changed)
    finally:
        await announcer.release()


def _probes(settings: EdgeSettings) -> HealthSettings:
    return HealthSettings(
        interval=settings.probe_interval,
        timeout=settings.probe_timeout,
        fall=settings.probe_fall,
        rise=settings.probe_rise,
        port=settings.probe_port,
        path=settings.probe_path,
    )


def _log(reason: Reason, message: str) -> None:
    log.warning(message, reason=reason.value)


async def _follow_objects(mirror: Mirror, prober: NodeProber, changed: asyncio.Event) -> None:
    while True:
        snapshot, _ = await mirror.next()
        prober.follow(snapshot)
        changed.set()


async def _follow_health(prober: NodeProber, changed: asyncio.Event) -> None:
    while True:
        for each in await prober.next():
            log.info("node health", node=each.node, reason=each.reason.value, detail=each.detail)
        changed.set()


async def _balance(
    mirror: Mirror, prober: NodeProber, forwarder: Forwarder, announcer: InterfaceAnnouncer, changed: asyncio.Event
) -> None:
    """Rules before addresses: an address is announced only when the kernel knows what to do with its traffic."""
    table = ForwardingTable()
    wake_in: float | None = None
    while True:
        try:
            async with asyncio.timeout(wake_in):
                await changed.wait()
            changed.clear()
            table = edge_table(mirror.snapshot, prober.healthy, LOAD_BALANCER_CLASS, table)
            forwarder.apply(table)
        except TimeoutError:
            forwarder.wake()
        wake_in = forwarder.wake_in
        try:
            await announcer.own(owned(mirror.snapshot, LOAD_BALANCER_CLASS))
        except HostError as error:
            log.error("an address is not owned", error=str(error), retry_in_s=RETRY)
            wake_in = RETRY if wake_in is None else min(RETRY, wake_in)
