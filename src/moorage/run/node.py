"""The node agent: what the API says about Services becomes what this node's kernel does.

    list + watch -> Snapshot -> ForwardingTable -> nftables
                             -> DNS answers on this node
                             -> /healthz, and the healthCheckNodePort of each Service, for load balancers

It runs in the network namespace whose traffic it directs, and knows the cluster only through the API.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import time
from contextlib import closing

import msgspec
import structlog

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.client.perform_io import perform
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.dns.serve_io import serve_dns
from moorage.model.cluster import Namespace, Node, eligible
from moorage.model.errors import UserError
from moorage.model.meta import Key
from moorage.model.net import Prefix
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.health_io import Health, HealthServer
from moorage.run.forward_io import Forwarder
from moorage.run.guard_io import guard
from moorage.run.local_checks import LocalChecks
from moorage.run.local_dns import dns_slice_key, dns_verbs
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

PRIMARY = "primary"
"""In place of prefixes: NodePorts are served at the Node's InternalIPs (kube-proxy `--nodeport-addresses primary`)."""


class NodeSettings(msgspec.Struct, frozen=True):
    """`cluster_cidrs` are the Pod networks; empty means those of the Node objects. `dns_port` 0 serves no DNS.

    `node_port_addresses` are prefixes, or PRIMARY; `localhost_node_ports` adds the node's loopback addresses.
    """

    name: str
    kubeconfig: str
    cluster_cidrs: tuple[str, ...] = ()
    node_port_addresses: tuple[str, ...] = (PRIMARY,)
    localhost_node_ports: bool = True
    health_port: int = 10256
    dns_port: int = 0

    @property
    def network(self) -> NetworkSettings:
        """Raises UserError for what is no prefix."""
        at = self.node_port_addresses
        if PRIMARY in at and at != (PRIMARY,):
            raise UserError(f"--nodeport-addresses is either {PRIMARY} or prefixes such as 192.0.2.0/24, not both")
        served = () if at == (PRIMARY,) else _prefixes("--nodeport-addresses", at)
        return NetworkSettings(_prefixes("--cluster-cidr", self.cluster_cidrs), served, self.localhost_node_ports)


def _prefixes(option: str, texts: tuple[str, ...]) -> tuple[Prefix, ...]:
    try:
        return tuple(ipaddress.ip_network(each) for each in texts)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from error


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
    """Serves until cancelled. The kernel keeps forwarding when the agent stops: a restart interrupts nobody."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    network = settings.network
    datapath = NftDatapath()
    datapath.start()
    forwarder = Forwarder(datapath)
    async with HttpClient(load(settings.kubeconfig), user_agent="moorage-node") as client, asyncio.TaskGroup() as tasks:
        mirror = Mirror(client, wants(settings.name))
        teller = Teller(client, "moorage-node", lambda: mirror.snapshot.get(Node, Key("", settings.name)))
        tasks.create_task(mirror.run(), name="mirror")
        tasks.create_task(teller.run(), name="events")
        health = HealthServer(settings.health_port, lambda: node_health(settings.name, forwarder.health(), mirror.snapshot))
        tasks.create_task(health.serve(), name="health")
        tasks.create_task(guard(forwarder, teller.say), name="guard")
        moved = asyncio.Event()
        if settings.dns_port:
            tasks.create_task(serve_dns("0.0.0.0", settings.dns_port, lambda: _synced(mirror)), name="dns")
            tasks.create_task(_offer_dns(settings, mirror, client, moved), name="dns slice")
        with closing(LocalChecks(forwarder.health, teller)) as checks:
            await _forward(settings.name, network, mirror, forwarder, checks, moved)


async def _forward(
    name: str, network: NetworkSettings, mirror: Mirror, forwarder: Forwarder, checks: LocalChecks, moved: asyncio.Event
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
        if changes.everything or changes.of(Node) or changes.of(ServiceCIDR):
            facts = node_facts(name, snapshot, network)
        if changes.everything:
            log.info("listed", services=len(snapshot.all(Service)), ms=round(1e3 * (time.monotonic() - begun), 2))
        table = compiler.update(snapshot, changes, facts)
        forwarder.apply(table)
        checks.follow(snapshot, table.checks)
        moved.set()


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
