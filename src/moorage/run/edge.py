"""The edge: a load balancer in front of the cluster, as a cloud has it.

Services + health of the nodes -> ForwardingTable (backends are NodePorts of healthy nodes) -> nftables
                               -> HAProxy, where Services ask for the PROXY protocol
                               -> addresses on its interface, announced to the neighbours
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from moorage.announce.addresses import owned
from moorage.announce.interface_io import InterfaceAnnouncer
from moorage.announce.owning import Announcer
from moorage.balance.edge import edge_table
from moorage.balance.haproxy import divide
from moorage.balance.health import HealthSettings
from moorage.balance.probe_io import NodeProber
from moorage.balance.targets import targets
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import Node
from moorage.model.errors import HostError
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.observe.health_io import HealthServer
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.proxy_keeper import ProxyKeeper
from moorage.table.lean import lean
from moorage.table.types import ForwardingTable

RETRY = 1.0
"""Seconds until an address that the kernel refused is tried again."""

log = structlog.get_logger()


class EdgeSettings(msgspec.Struct, frozen=True):
    """`interface` is the one at which the load-balancer addresses are owned. `drain`: seconds that it serves on after it was
    told to end, while its /healthz refuses. `directory` is for what HAProxy needs.
    """

    name: str
    kubeconfig: str
    interface: str
    healthz_port: int = 10256
    beside_other_proxy: bool = False
    probes: HealthSettings = HealthSettings()
    keep_source: bool = False
    drain: float = 0.0
    directory: str = "/run/moorage-edge"


async def run_edge(settings: EdgeSettings, announcer: Announcer | None = None) -> None:
    """Serves until cancelled, and for a while longer (`drain`), which a second cancellation ends. Then the addresses are given
    up. The kernel keeps forwarding what is under way.
    """
    leaving = asyncio.Event()
    work = asyncio.create_task(_work(settings, announcer or InterfaceAnnouncer(settings.interface), leaving), name="edge")
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        leaving.set()
        log.info("draining", seconds=settings.drain)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work}, timeout=settings.drain)
        work.cancel()
        await work


async def _work(settings: EdgeSettings, announcer: Announcer, leaving: asyncio.Event) -> None:
    access = load(settings.kubeconfig)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    health = HealthServer(settings.healthz_port, lambda: replace(forwarder.health(), node_eligible=not leaving.is_set()))
    health.listen()
    datapath.start()
    changed = asyncio.Event()
    proxies = ProxyKeeper(Path(settings.directory) / "haproxy")
    try:
        async with (
            HttpClient(access, user_agent="moorage-edge") as client,
            NodeProber(settings.probes) as prober,
            asyncio.TaskGroup() as tasks,
        ):
            mirror = Mirror(client, [Want(Service, keep=lean), Want(EndpointSlice, keep=lean), Want(Node)])
            tasks.create_task(mirror.run(), name="mirror")
            tasks.create_task(health.serve(), name="health")
            tasks.create_task(guard(forwarder, _log), name="guard")
            tasks.create_task(proxies.run(), name="proxies")
            tasks.create_task(_follow_objects(mirror, prober, settings.probes, changed), name="objects")
            tasks.create_task(_follow_health(prober, changed), name="node health")
            seen = _Seen(settings, mirror, prober)
            await _balance(seen, forwarder, proxies, announcer, changed)
    finally:
        await announcer.release()


class _Seen(NamedTuple):
    """What a table is made of."""

    settings: EdgeSettings
    mirror: Mirror
    prober: NodeProber

    def table(self, previous: ForwardingTable) -> ForwardingTable:
        prober, keep = self.prober, self.settings.keep_source
        return edge_table(self.mirror.snapshot, prober.healthy, previous, prober.checks, keep)


def _log(reason: Reason, message: str) -> None:
    log.warning(message, reason=reason.value)


async def _follow_objects(mirror: Mirror, prober: NodeProber, probes: HealthSettings, changed: asyncio.Event) -> None:
    while True:
        snapshot, _ = await mirror.next()
        prober.follow(targets(snapshot, probes))
        changed.set()


async def _follow_health(prober: NodeProber, changed: asyncio.Event) -> None:
    while True:
        for each in await prober.next():
            about = {"service": str(each.service)} if each.service is not None else {}
            log.info("node health", node=each.node, reason=each.reason.value, detail=each.detail, **about)
        changed.set()


async def _balance(
    seen: _Seen, forwarder: Forwarder, proxies: ProxyKeeper, announcer: Announcer, changed: asyncio.Event
) -> None:
    """Rules before addresses: an address is announced only when the kernel knows what to do with its traffic."""
    table = ForwardingTable()
    wake_in: float | None = None
    while True:
        try:
            async with asyncio.timeout(wake_in):
                await changed.wait()
            changed.clear()
            table = seen.table(table)
            left, wanted = divide(table, seen.mirror.snapshot)
            forwarder.apply(left)
            proxies.want(wanted)
        except TimeoutError:
            forwarder.wake()
        wake_in = forwarder.wake_in
        try:
            await announcer.own(owned(seen.mirror.snapshot))
        except HostError as error:
            log.error("an address is not owned", error=str(error), retry_in_s=RETRY)
            wake_in = RETRY if wake_in is None else min(RETRY, wake_in)
