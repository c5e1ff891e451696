"""The node agent: what the API says about Services becomes what this node's kernel does.

    list + watch -> Snapshot -> ForwardingTable -> nftables
                             -> DNS answers on this node
                             -> /healthz for load balancers

It runs in the network namespace whose traffic it directs, and knows the cluster only through the API.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.client.perform_io import perform
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.dns.serve_io import serve_dns
from moorage.model.cluster import Namespace, Node, eligible
from moorage.model.meta import Key
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.health_io import Health, HealthServer
from moorage.run.forward_io import Forwarder
from moorage.run.local_dns import dns_verbs
from moorage.table.compile import Compiler
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.types import NodeFacts

OFFER_RETRY = 1.0
"""Seconds until a failed write of the DNS slice is tried again."""


class NodeSettings(msgspec.Struct, frozen=True):
    """`cluster_cidrs` are the Pod networks; empty means those of the Node objects. `dns_port` 0 serves no DNS."""

    name: str
    kubeconfig: str
    cluster_cidrs: tuple[str, ...] = ()
    health_port: int = 10256
    dns_port: int = 0

    @property
    def network(self) -> NetworkSettings:
        return NetworkSettings(tuple(ipaddress.ip_network(each) for each in self.cluster_cidrs))


async def run_node(settings: NodeSettings) -> None:
    """Serves until cancelled. The kernel keeps forwarding when the agent stops: a restart interrupts nobody."""
    datapath = NftDatapath()
    datapath.start()
    forwarder = Forwarder(datapath)
    async with HttpClient(load(settings.kubeconfig), user_agent="moorage-node") as client, asyncio.TaskGroup() as tasks:
        mirror = Mirror(client, [Want(Service), Want(EndpointSlice), Want(Node), Want(Namespace)])
        tasks.create_task(mirror.run(), name="mirror")
        health = HealthServer(settings.health_port, lambda: node_health(settings.name, forwarder.health(), mirror.snapshot))
        tasks.create_task(health.serve(), name="health")
        moved = asyncio.Event()
        if settings.dns_port:
            tasks.create_task(serve_dns("0.0.0.0", settings.dns_port, lambda: _synced(mirror)), name="dns")
            tasks.create_task(_offer_dns(settings, mirror, client, moved), name="dns slice")
        await _forward(settings, mirror, forwarder, moved)


async def _forward(settings: NodeSettings, mirror: Mirror, forwarder: Forwarder, moved: asyncio.Event) -> None:
    """The path of every change: no timer, no poll; a burst becomes one table."""
    compiler, facts = Compiler(), NodeFacts(settings.name)
    while True:
        try:
            async with asyncio.timeout(forwarder.wake_in):
                snapshot, changes = await mirror.next()
        except TimeoutError:
            forwarder.wake()
            continue
        if changes.everything or changes.of(Node):
            facts = node_facts(settings.name, snapshot, settings.network)
        forwarder.apply(compiler.update(snapshot, changes, facts))
        moved.set()


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
