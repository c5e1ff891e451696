"""The edge: a load balancer in front of the cluster, as a cloud has it. Several of them share the addresses.

Services + health of the nodes -> ForwardingTable (backends are NodePorts of healthy nodes) -> nftables
                               -> HAProxy, where Services ask for the PROXY protocol
                               -> addresses announced by L2, each by one edge
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from moorage.announce.accepting_io import Accepting
from moorage.announce.addresses import owned
from moorage.balance.edge import edge_table
from moorage.balance.haproxy import Proxies, divide
from moorage.balance.health import HealthSettings
from moorage.balance.probe_io import NodeProber
from moorage.balance.targets import targets
from moorage.client.http_io import HttpClient
from moorage.client.mirror_io import Mirror, Want
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import Node
from moorage.model.errors import HostError
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.withdrawal import EDGE
from moorage.observe.health_io import HealthServer
from moorage.run.access import access_of
from moorage.run.acknowledge_io import Acknowledger
from moorage.run.announcements import LEASES, Known, follow
from moorage.run.announcing import Announcing
from moorage.run.announcing_part import edge_part
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.proxy_keeper import ProxyKeeper
from moorage.run.self_check_io import Standing
from moorage.run.tell_io import Teller
from moorage.settings.roles import EdgeSettings
from moorage.table.lean import lean
from moorage.table.self_check import with_self_check
from moorage.table.types import ForwardingTable

RETRY = 1.0
"""Seconds until an address that the kernel does not accept is tried again."""

log = structlog.get_logger()


async def run_edge(settings: EdgeSettings) -> None:
    """Serves until cancelled, and for a while longer (`drain`), which a second cancellation ends. Then the addresses are handed
    over to other edges. The kernel keeps forwarding what is under way.
    """
    leaving = asyncio.Event()
    work = asyncio.create_task(_work(settings, leaving), name="edge")
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        leaving.set()
        log.info("draining", seconds=settings.drain)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work}, timeout=settings.drain)
        work.cancel()
        await work


async def _work(settings: EdgeSettings, leaving: asyncio.Event) -> None:
    """All else goes on while the addresses are handed over: what arrives meanwhile is served."""
    access = access_of(settings)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    news, probes, accepting = _News(), _probes(settings), Accepting()
    proxies = ProxyKeeper(Path(settings.run_dir) / "haproxy")
    async with HttpClient(access, user_agent="moorage-edge") as client, NodeProber(probes) as prober:
        teller = Teller(client, "moorage-edge", lambda: None)
        standing = Standing(forwarder, teller.say)
        health = HealthServer(settings.health_port, lambda: replace(standing.health(), node_eligible=not leaving.is_set()))
        health.listen()
        standing.listen()
        datapath.start()
        acknowledger = Acknowledger(client, EDGE, settings.name)
        mirror = Mirror(client, [Want(Service, keep=lean), Want(EndpointSlice, keep=lean), Want(Node)])
        part = edge_part(settings.name, settings.interface, settings.meet_at)
        leases = Mirror(client, (LEASES,))
        announcing = Announcing(part, client, Known(mirror, leases), teller, lambda: standing.healthy)
        seen = _Seen(mirror, probes, prober, settings.keep_source)
        kernel = _Kernel(forwarder, acknowledger, proxies, accepting)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(mirror.run(), name="mirror")
                tasks.create_task(leases.run(), name="Leases")
                tasks.create_task(follow(leases, announcing.moved), name="changes of Leases")
                tasks.create_task(teller.run(), name="events")
                tasks.create_task(health.serve(), name="health")
                tasks.create_task(guard(forwarder, teller.say), name="guard")
                tasks.create_task(standing.run(), name="self-check")
                tasks.create_task(acknowledger.run(), name="acknowledgements")
                tasks.create_task(proxies.run(), name="proxies")
                tasks.create_task(_follow_standing(standing, announcing), name="standing")
                tasks.create_task(_follow_health(prober, news), name="node health")
                tasks.create_task(_follow_objects(seen, acknowledger, news), name="objects")
                tasks.create_task(_balance(seen, kernel, announcing, news), name="table")
                await announcing.run()
        finally:
            try:
                await accepting.release()
            finally:
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
    """What a table goes to: the rules, who says that they are there, HAProxy, the addresses that it listens at."""

    forwarder: Forwarder
    acknowledger: Acknowledger
    proxies: ProxyKeeper
    accepting: Accepting


class _News:
    """What calls for another table: changes of objects, and of the health of nodes, which are none."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        self._changes = Changes()

    def add(self, changes: Changes) -> None:
        self._changes = self._changes.merged(changes)
        self.stirred.set()

    @property
    def listed(self) -> bool:
        """Whether the first list of everything is there."""
        return self._changes.everything

    def take(self) -> Changes:
        taken, self._changes = self._changes, Changes()
        self.stirred.clear()
        return taken


async def _follow_standing(standing: Standing, announcing: Announcing) -> None:
    while True:
        await standing.changed()
        announcing.look_again()


async def _follow_health(prober: NodeProber, news: _News) -> None:
    while True:
        for each in await prober.next():
            about = {"service": str(each.service)} if each.service is not None else {}
            log.info("node health", node=each.node, reason=each.reason.value, detail=each.detail, **about)
        news.stirred.set()


async def _follow_objects(seen: _Seen, acknowledger: Acknowledger, news: _News) -> None:
    while True:
        snapshot, changes = await seen.mirror.next()
        seen.prober.follow(targets(snapshot, seen.probes))
        acknowledger.see(snapshot, changes)
        news.add(changes)


async def _every_node_asked(seen: _Seen, news: _News) -> None:
    """Returns once each has answered or failed. In a table made before that all are refused, whatever an earlier run left."""
    while not (news.listed and seen.prober.asked):
        await news.stirred.wait()
        news.stirred.clear()
    news.stirred.set()


async def _balance(seen: _Seen, kernel: _Kernel, announcing: Announcing, news: _News) -> None:
    """Rules before addresses: an address is announced only while the kernel does with its traffic what it should."""
    forwarder, acknowledger, proxies, accepting = kernel
    table, snapshot = ForwardingTable(), Snapshot()
    wake_in: float | None = None
    wanted: Proxies = ()
    await _every_node_asked(seen, news)
    while True:
        try:
            async with asyncio.timeout(wake_in):
                await news.stirred.wait()
            changes, snapshot = news.take(), seen.mirror.snapshot
            table = seen.table(snapshot, table)
            left, wanted = divide(table, snapshot)
            forwarder.apply(with_self_check(left))
            proxies.want(wanted)
            announcing.moved(changes)
        except TimeoutError:
            forwarder.wake()
        if forwarder.settled:
            acknowledger.hold(snapshot)
        retry_in = None
        try:
            await accepting.accept((each.match.address for each in wanted), owned(snapshot))
        except HostError as error:
            log.error("an address is not accepted", error=str(error), retry_in_s=RETRY)
            retry_in = RETRY
        due = (forwarder.wake_in, accepting.look_in, retry_in)
        wake_in = min((each for each in due if each is not None), default=None)
