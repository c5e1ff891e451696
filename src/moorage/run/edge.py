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
from moorage.run.access import access_of
from moorage.run.acknowledge_io import Acknowledger
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.proxy_keeper import ProxyKeeper
from moorage.run.self_check_io import Standing
from moorage.settings.roles import EdgeSettings
from moorage.table.lean import lean
from moorage.table.self_check import with_self_check
from moorage.table.types import ForwardingTable

RETRY = 1.0
"""Seconds until an address that the kernel refused is tried again."""

log = structlog.get_logger()


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
    access = access_of(settings)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    standing = Standing(forwarder, _log)
    health = HealthServer(settings.health_port, lambda: replace(standing.health(), node_eligible=not leaving.is_set()))
    health.listen()
    standing.listen()
    datapath.start()
    changed = asyncio.Event()
    proxies = ProxyKeeper(Path(settings.run_dir) / "haproxy")
    probes = _probes(settings)
    async with HttpClient(access, user_agent="moorage-edge") as client, NodeProber(probes) as prober:
        acknowledger = Acknowledger(client, EDGE, settings.name)
        kernel = _Kernel(forwarder, standing, acknowledger, proxies, announcer)
        try:
            async with asyncio.TaskGroup() as tasks:
                mirror = Mirror(client, [Want(Service, keep=lean), Want(EndpointSlice, keep=lean), Want(Node)])
                tasks.create_task(mirror.run(), name="mirror")
                tasks.create_task(health.serve(), name="health")
                tasks.create_task(guard(forwarder, _log), name="guard")
                tasks.create_task(standing.run(), name="self-check")
                tasks.create_task(acknowledger.run(), name="acknowledgements")
                tasks.create_task(proxies.run(), name="proxies")
                tasks.create_task(_follow_health(prober, changed), name="node health")
                tasks.create_task(_follow_standing(standing, changed), name="standing")
                seen = _Seen(mirror, probes, prober, settings.keep_source)
                tasks.create_task(_follow_objects(seen, acknowledger, changed), name="objects")
                await _balance(seen, kernel, changed)
        finally:
            await announcer.release()
            await acknowledger.resign()


class _Seen(NamedTuple):
    """What a table is made of."""

    mirror: Mirror
    probes: HealthSettings
    prober: NodeProber
    keep_source: bool

    def table(self, snapshot: Snapshot, previous: ForwardingTable) -> ForwardingTable:
        return edge_table(snapshot, self.prober.healthy, previous, self.prober.checks, self.keep_source)


def _probes(settings: EdgeSettings) -> HealthSettings:
    return HealthSettings(
        interval=settings.probe_interval,
        timeout=settings.probe_timeout,
        fall=settings.probe_fall,
        rise=settings.probe_rise,
        port=settings.probe_port,
        path=settings.probe_path,
    )


class _Kernel(NamedTuple):
    """What a table goes to: the rules, who looks whether they work, who says that they are there, HAProxy, the addresses."""

    forwarder: Forwarder
    standing: Standing
    acknowledger: Acknowledger
    proxies: ProxyKeeper
    announcer: Announcer


def _log(reason: Reason, message: str, *, warning: bool = True) -> None:
    (log.warning if warning else log.info)(message, reason=reason.value)


async def _follow_objects(seen: _Seen, acknowledger: Acknowledger, changed: asyncio.Event) -> None:
    while True:
        snapshot, changes = await seen.mirror.next()
        seen.prober.follow(targets(snapshot, seen.probes))
        acknowledger.see(snapshot, changes)
        changed.set()


async def _follow_health(prober: NodeProber, changed: asyncio.Event) -> None:
    while True:
        for each in await prober.next():
            about = {"service": str(each.service)} if each.service is not None else {}
            log.info("node health", node=each.node, reason=each.reason.value, detail=each.detail, **about)
        changed.set()


async def _follow_standing(standing: Standing, changed: asyncio.Event) -> None:
    while True:
        await standing.changed()
        changed.set()


async def _balance(seen: _Seen, kernel: _Kernel, changed: asyncio.Event) -> None:
    """Rules before addresses: an address is announced only while the kernel does with its traffic what it should."""
    forwarder, standing, acknowledger, proxies, announcer = kernel
    table, snapshot = ForwardingTable(), Snapshot()
    wake_in: float | None = None
    while True:
        try:
            async with asyncio.timeout(wake_in):
                await changed.wait()
            changed.clear()
            snapshot = seen.mirror.snapshot
            table = seen.table(snapshot, table)
            left, wanted = divide(table, snapshot)
            forwarder.apply(with_self_check(left))
            proxies.want(wanted)
        except TimeoutError:
            forwarder.wake()
        if forwarder.settled:
            acknowledger.hold(snapshot)
        wake_in = forwarder.wake_in
        if not standing.known:
            continue
        try:
            await announcer.own(owned(snapshot) if standing.healthy else frozenset())
        except HostError as error:
            log.error("an address is not owned", error=str(error), retry_in_s=RETRY)
            wake_in = RETRY if wake_in is None else min(RETRY, wake_in)
