"""The node agent: what the API says about Services becomes what this node's kernel does.

    list + watch -> Snapshot -> ForwardingTable -> nftables
                             -> load-balancer addresses announced by L2
                             -> DNS answers on this node
                             -> BGP sessions with routers, where BGPPeers ask for them
                             -> /healthz, and the healthCheckNodePort of each Service, for load balancers

It runs in the network namespace whose traffic it directs, and knows the cluster only through the API.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from moorage.client.http_io import HttpClient
from moorage.client.mirror_io import Mirror, Want
from moorage.client.perform_io import perform
from moorage.datapath.nft.counting_io import NftCounters
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.dns.serve_io import serve_dns
from moorage.model.cluster import KUBE_PROXY_PORT, Namespace, Node, eligible
from moorage.model.meta import Key
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import HEADLESS_LABEL, PROXY_NAME_LABEL, EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.withdrawal import NODE
from moorage.observe.health_io import Health, HealthServer
from moorage.observe.metrics_io import MetricsServer
from moorage.run.access import access_of
from moorage.run.acknowledge_io import Acknowledger
from moorage.run.announcers import Announcers
from moorage.run.begin_io import look_around
from moorage.run.end_io import leave_to_others
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.local_checks import LocalChecks
from moorage.run.local_dns import dns_slice_key, dns_verbs
from moorage.run.measure_io import Measurements
from moorage.run.network import network_settings
from moorage.run.self_check_io import Standing
from moorage.run.tell_io import Teller
from moorage.settings.roles import NodeSettings
from moorage.table.compile import Compiler
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.lean import lean
from moorage.table.self_check import self_check, without_self_check
from moorage.table.types import ForwardingTable, NodeFacts

log = structlog.get_logger()

OFFER_RETRY = 1.0
"""Seconds until a failed write of the DNS slice is tried again."""

YOUNG_OBJECTS = 50_000
"""Container objects made between two looks of the cyclic garbage collector (CPython: 700). A first list of 250,000 endpoints
makes as many tuples, none in a cycle, and at the default the looks for one cost 60 ms. What is there at the start is not looked
at again.
"""

NOT_ANOTHERS = f"!{PROXY_NAME_LABEL}"
"""The selector of what no other proxy is asked to serve. Slices carry the labels of their Services."""


def wants(settings: NodeSettings) -> tuple[Want, ...]:
    """What the agent follows: of each kind what it uses, as kube-proxy does, and held lean, but for the one slice that it
    writes and so compares in full. DNS also answers for what other proxies serve, and for Services without a ClusterIP.

    A server before Kubernetes 1.33 has no ServiceCIDRs.
    """
    own = dns_slice_key(settings.name)
    serves_dns = bool(settings.dns_port)
    followed = (
        Want(Service, labels="" if serves_dns else NOT_ANOTHERS, keep=lean, cached=True),
        Want(
            EndpointSlice,
            labels="" if serves_dns else f"{NOT_ANOTHERS},!{HEADLESS_LABEL}",
            keep=lambda obj: obj if obj.key == own else lean(obj),
            cached=True,
        ),
        Want(
            Node,
            fields=f"metadata.name={settings.name}" if settings.follow_nodes == "own" else "",
            keep=lean,
            cached=True,
            quiet=True,
        ),
        Want(ServiceCIDR, optional=True, cached=True),
    )
    return (*followed, Want(Namespace, cached=True)) if serves_dns else followed


async def run_node(settings: NodeSettings) -> None:
    """Serves until cancelled. The kernel keeps forwarding when the agent stops: a restart interrupts nobody.

    What is wrong with the settings or the machine is raised before the kernel is changed.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    datapath = NftDatapath()
    try:
        await _serve(settings, datapath)
    except asyncio.CancelledError:
        if settings.beside_other_proxy and settings.health_port != KUBE_PROXY_PORT:
            leave_to_others(datapath)
        raise


async def _serve(settings: NodeSettings, datapath: NftDatapath) -> None:
    network = network_settings(settings.cluster_cidrs, settings.node_port_addresses, settings.localhost_node_ports)
    metrics_at, access = settings.metrics_at, access_of(settings)
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    async with HttpClient(access, user_agent="moorage-node") as client:
        mirror = Mirror(client, wants(settings))
        itself = partial(_own_node, mirror, settings.name)
        teller = Teller(client, "moorage-node", itself)
        standing = Standing(forwarder, teller.say, settings.self_check_port)
        announcers = Announcers(settings.name, client, mirror, teller, standing, forwarder.figures)
        health = HealthServer(settings.health_port, lambda: node_health(settings.name, standing.health(), mirror.snapshot))
        health.listen()
        standing.listen()
        servers: list[HealthServer | MetricsServer] = [health]
        if metrics_at is not None:
            table = partial(_own_table, forwarder)
            measurements = Measurements(forwarder.figures, table, NftCounters(), lambda: announcers.state)
            servers.append(MetricsServer(*metrics_at, measurements.render))
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(asyncio.to_thread(datapath.start), name="datapath")
            tasks.create_task(mirror.run(), name="mirror")
            tasks.create_task(teller.run(), name="events")
            for server in servers:
                tasks.create_task(server.serve(), name=type(server).__name__)
            tasks.create_task(guard(forwarder, teller.say), name="guard")
            tasks.create_task(standing.run(), name="self-check")
            acknowledger = Acknowledger(client, NODE, settings.name, itself)
            tasks.create_task(acknowledger.run(), name="acknowledgements")
            tasks.create_task(announcers.run(), name="announcers")
            moved = asyncio.Event()
            if settings.dns_port:
                tasks.create_task(serve_dns("0.0.0.0", settings.dns_port, lambda: _synced(mirror)), name="dns")
                tasks.create_task(_offer_dns(settings, mirror, client, moved), name="dns slice")
            await starting
            with closing(LocalChecks(standing.health, teller)) as checks:

                def tell(changes: Changes) -> None:
                    announcers.moved(changes)
                    moved.set()

                await _forward(settings, network, mirror, forwarder, _Followers(checks, acknowledger, tell))


class _Followers(NamedTuple):
    """Who else follows the changes, once the kernel has them. `tell` is called then."""

    checks: LocalChecks
    acknowledger: Acknowledger
    tell: Callable[[Changes], None]


async def _forward(
    settings: NodeSettings, network: NetworkSettings, mirror: Mirror, forwarder: Forwarder, followers: _Followers
) -> None:
    """The path of every change: no timer, no poll; a burst becomes one table."""
    checks, acknowledger, tell = followers
    snapshot = Snapshot()
    compiler, facts = Compiler(self_check(settings.self_check_port)), NodeFacts(settings.name)
    begun = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(_sooner(forwarder.wake_in, checks.wake_in)):
                snapshot, changes = await mirror.next()
        except TimeoutError:
            forwarder.wake()
            checks.wake()
            if forwarder.settled:
                acknowledger.hold(snapshot)
            continue
        since = time.monotonic()
        if changes.everything or changes.of(Node) or changes.of(ServiceCIDR):
            facts = node_facts(settings.name, snapshot, network)
        if changes.everything:
            log.info("listed", services=len(snapshot.all(Service)), ms=round(1e3 * (time.monotonic() - begun), 2))
        table = compiler.update(snapshot, changes, facts)
        forwarder.apply(table, since)
        forwarder.wake()
        acknowledger.see(snapshot, changes)
        if forwarder.settled:
            acknowledger.hold(snapshot)
        checks.follow(snapshot, table.checks)
        tell(changes)


def _own_node(mirror: Mirror, name: str) -> Node | None:
    return mirror.snapshot.get(Node, Key("", name))


def _own_table(forwarder: Forwarder) -> ForwardingTable:
    """What users know of."""
    return without_self_check(forwarder.table)


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def node_health(name: str, health: Health, snapshot: Snapshot) -> Health:
    """The agent's health, with what its Node object says of new connections (KEP-3836)."""
    return msgspec.structs.replace(health, node_eligible=eligible(snapshot.get(Node, Key("", name))))


def _synced(mirror: Mirror) -> Snapshot | None:
    return mirror.snapshot if mirror.synced else None


async def _offer_dns(settings: NodeSettings, mirror: Mirror, client: Client, moved: asyncio.Event) -> None:
    """Keeps this node's slice of the cluster DNS Service as it should be, off the path of forwarding."""
    while True:
        await moved.wait()
        moved.clear()
        while verbs := dns_verbs(mirror.snapshot, settings.name, settings.dns_port):
            if not await perform(client, verbs, "moorage-node", time.time):
                break
            await asyncio.sleep(OFFER_RETRY)
