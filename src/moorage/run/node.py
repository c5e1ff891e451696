"""The node agent: what the API says about Services becomes what this node's kernel does.

    list + watch -> Snapshot -> ForwardingTable -> nftables
                             -> load-balancer addresses announced by L2
                             -> DNS answers on this node
                             -> /healthz, and the healthCheckNodePort of each Service, for load balancers

It runs in the network namespace whose traffic it directs, and knows the cluster only through the API.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import closing

import msgspec
import structlog

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.client.perform_io import perform
from moorage.datapath.nft.counting_io import NftCounters
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.dns.serve_io import serve_dns
from moorage.model.cluster import Namespace, Node, eligible
from moorage.model.errors import UserError
from moorage.model.meta import Key
from moorage.model.net import parse_address
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.observe.health_io import Health, HealthServer
from moorage.observe.metrics_io import MetricsServer
from moorage.run.announcing import Announcing
from moorage.run.announcing_part import node_part
from moorage.run.begin_io import look_around
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.local_checks import LocalChecks
from moorage.run.local_dns import dns_slice_key, dns_verbs
from moorage.run.measure_io import Measurements
from moorage.run.network import PRIMARY, network_settings
from moorage.run.tell_io import Teller
from moorage.table.compile import Compiler
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.lean import lean
from moorage.table.types import NodeFacts

log = structlog.get_logger()

OFFER_RETRY = 1.0
"""Seconds until a failed write of the DNS slice is tried again."""

YOUNG_OBJECTS = 50_000
"""Container objects made between two looks of the cyclic garbage collector (CPython: 700). A first list of 250,000 endpoints
makes as many tuples, none in a cycle, and at the default the looks for one cost 60 ms. What is there at the start is not looked
at again.
"""

METRICS = "127.0.0.1:10249"


class NodeSettings(msgspec.Struct, frozen=True):
    """`cluster_cidrs` are the Pod networks; empty means those of the Node objects. `dns_port` 0 serves no DNS.

    `node_port_addresses` are prefixes, or PRIMARY; `localhost_node_ports` adds 127.0.0.0/8. `metrics` is the ADDRESS:PORT at
    which they are served; empty serves none. `beside_other_proxy` starts though another proxy serves here.
    """

    name: str
    kubeconfig: str
    cluster_cidrs: tuple[str, ...] = ()
    node_port_addresses: tuple[str, ...] = (PRIMARY,)
    localhost_node_ports: bool = True
    health_port: int = 10256
    metrics: str = METRICS
    dns_port: int = 0
    beside_other_proxy: bool = False

    @property
    def network(self) -> NetworkSettings:
        """Raises UserError for what is no prefix."""
        return network_settings(self.cluster_cidrs, self.node_port_addresses, self.localhost_node_ports)

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """None where they are not wanted. Raises UserError for what is no address and port."""
        if not self.metrics:
            return None
        address, _, port = self.metrics.rpartition(":")
        host = address.removeprefix("[").removesuffix("]")
        if parse_address(host) is None or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UserError(
                f"--metrics-bind-address {self.metrics}: must be an address and a port, such as {METRICS} or [::]:10249"
            )
        return host, int(port)


def wants(node_name: str) -> tuple[Want, ...]:
    """What the agent follows, held lean, but for the one slice that it writes and so compares in full. A server before
    Kubernetes 1.33 has no ServiceCIDRs.
    """
    own = dns_slice_key(node_name)
    return (
        Want(Service, keep=lean),
        Want(EndpointSlice, keep=lambda obj: obj if obj.key == own else lean(obj)),
        Want(Node),
        Want(Namespace),
        Want(ServiceCIDR, optional=True),
    )


async def run_node(settings: NodeSettings) -> None:
    """Serves until cancelled. The kernel keeps forwarding when the agent stops: a restart interrupts nobody.

    What is wrong with the settings or the machine is raised before the kernel is changed.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    network, metrics_at, access = settings.network, settings.metrics_at, load(settings.kubeconfig)
    datapath = NftDatapath()
    forwarder = Forwarder(datapath)
    look_around(datapath, settings.beside_other_proxy)
    async with HttpClient(access, user_agent="moorage-node") as client:
        mirror = Mirror(client, wants(settings.name))
        teller = Teller(client, "moorage-node", lambda: mirror.snapshot.get(Node, Key("", settings.name)))
        announcing = Announcing(node_part(settings.name), client, mirror, teller, forwarder.first_table.is_set)
        health = HealthServer(settings.health_port, lambda: node_health(settings.name, forwarder.health(), mirror.snapshot))
        health.listen()
        servers: list[HealthServer | MetricsServer] = [health]
        if metrics_at is not None:
            measurements = Measurements(forwarder.figures, lambda: forwarder.table, NftCounters(), lambda: announcing.state)
            servers.append(MetricsServer(*metrics_at, measurements.render))
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(asyncio.to_thread(datapath.start), name="datapath")
            tasks.create_task(mirror.run(), name="mirror")
            tasks.create_task(teller.run(), name="events")
            for server in servers:
                tasks.create_task(server.serve(), name=type(server).__name__)
            tasks.create_task(guard(forwarder, teller.say), name="guard")
            tasks.create_task(announcing.run(), name="announcing")
            moved = asyncio.Event()
            if settings.dns_port:
                tasks.create_task(serve_dns("0.0.0.0", settings.dns_port, lambda: _synced(mirror)), name="dns")
                tasks.create_task(_offer_dns(settings, mirror, client, moved), name="dns slice")
            await starting
            with closing(LocalChecks(forwarder.health, teller)) as checks:

                def tell(changes: Changes) -> None:
                    announcing.moved(changes)
                    moved.set()

                await _forward(settings.name, network, mirror, forwarder, checks, tell)


async def _forward(
    name: str,
    network: NetworkSettings,
    mirror: Mirror,
    forwarder: Forwarder,
    checks: LocalChecks,
    tell: Callable[[Changes], None],
) -> None:
    """The path of every change: no timer, no poll; a burst becomes one table."""
    compiler, facts = Compiler(), NodeFacts(name)
    begun = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(_sooner(forwarder.wake_in, checks.wake_in)):
                snapshot, changes = await mirror.next()
        except TimeoutError:
            forwarder.wake()
            checks.wake()
            continue
        since = time.monotonic()
        if changes.everything or changes.of(Node) or changes.of(ServiceCIDR):
            facts = node_facts(name, snapshot, network)
        if changes.everything:
            log.info("listed", services=len(snapshot.all(Service)), ms=round(1e3 * (time.monotonic() - begun), 2))
        table = compiler.update(snapshot, changes, facts)
        forwarder.apply(table, since)
        checks.follow(snapshot, table.checks)
        tell(changes)


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
