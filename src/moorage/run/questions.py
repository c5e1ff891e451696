"""`moorage trace`, `explain` and `drain --simulate`: what the API says now, read through the same code that decides about the
real cluster.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from moorage.model.announcing import NODES
from moorage.model.cluster import SYSTEM_NAMESPACE, Event, Lease, Node
from moorage.model.config import ConfigMap
from moorage.model.errors import ApiError, UserError
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.metallb import BGPAdvertisement, BGPPeer, L2Advertisement, ServiceBGPStatus, ServiceL2Status
from moorage.model.net import Address, Family, Protocol, parse_address
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.drain import Forecast, forecast
from moorage.observe.explain import Explanation, explain_service
from moorage.observe.migrate import Migration, check
from moorage.table.compile import compile_table
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.ingress import ingress_addresses
from moorage.table.reach import Asker, Reached, reached
from moorage.table.trace import Action, Packet, Step, Verdict, trace
from moorage.table.types import NodeFacts

Status = TypeVar("Status", ServiceL2Status, ServiceBGPStatus)

PING = "icmp"
NOT_FOUND = 404
ANNOUNCED = (IPAddressPool, L2Advertisement, BGPAdvertisement, ServiceL2Status, ServiceBGPStatus)
OPTIONAL: tuple[type[Object], ...] = (ServiceCIDR, BGPPeer, *ANNOUNCED)
"""A server before Kubernetes 1.33 has no ServiceCIDRs, and one without MetalLB's definitions none of its kinds."""


class Target(msgspec.Struct, frozen=True):
    """`ADDRESS:PORT[/tcp|udp|sctp]`, `SERVICE[.NAMESPACE]:PORT[/...]` or `[NAMESPACE/]SERVICE:PORT[/...]`; `ADDRESS/icmp` is an
    echo request, with port 0 and no protocol. `host` is an address as it was typed, or SERVICE[.NAMESPACE].
    """

    host: str
    port: int
    protocol: Protocol | None


def parse_target(text: str) -> Target:
    """Raises UserError that shows the form."""
    place, _, protocol = _by_dns(text).partition("/")
    if place and protocol.lower() == PING:
        return Target(place.strip("[]"), 0, None)
    host, _, port = place.rpartition(":")
    try:
        known = Protocol((protocol or "tcp").upper())
        number = int(port)
    except ValueError:
        known, number = Protocol.TCP, 0
    if not host or not 0 < number < 65536:
        raise UserError(
            f"{text!r} is no target: write ADDRESS:PORT or SERVICE:PORT, with /udp or /sctp where it is not TCP, "
            f"or ADDRESS/{PING} for a ping"
        )
    return Target(host.strip("[]"), number, known)


def _by_dns(text: str) -> str:
    """NAMESPACE/NAME, as `explain` takes it, is NAME.NAMESPACE: what is left of the first slash has no port then."""
    namespace, slash, rest = text.partition("/")
    name = re.match(r"[a-z0-9-]+(?=[:/])", rest)
    if not slash or name is None or not re.fullmatch("[a-z0-9-]+", namespace):
        return text
    return f"{name[0]}.{namespace}{rest[name.end() :]}"


async def read_cluster(client: Client, types: tuple[type[Object], ...]) -> Snapshot:
    """One list of each kind. A server that does not have one of OPTIONAL has no objects of it."""
    snapshot = Snapshot()
    for type_ in types:
        try:
            objects, _ = await client.list(type_)
        except ApiError as error:
            if error.code != NOT_FOUND or type_ not in OPTIONAL:
                raise
            continue
        snapshot = snapshot.with_objects(type_, {each.key: each for each in objects})
    return snapshot


class Traced(NamedTuple):
    """The node that decides, the packet as the client sends it, and what becomes of it."""

    node: str
    packet: Packet
    verdict: Verdict


async def ask_trace(client: Client, vantage: str, target: Target, node: str, settings: NetworkSettings) -> Traced:
    """`vantage` is pod/[NAMESPACE/]NAME, node/NAME or an address outside; `node` is where a packet from outside arrives, by
    default the node whose address is asked for, or that says that it announces it, or the first. A Service that is asked for by
    its name from outside is asked at an address that leads there (`table.reach`). What one node sends on to an address of
    another is decided there. `settings` are those of the node agents.
    """
    snapshot = await read_cluster(client, (Service, EndpointSlice, Node, Pod, ServiceCIDR, ServiceL2Status, ServiceBGPStatus))
    outside = _outside(snapshot, vantage, settings)
    asked = _asked(snapshot, target, outside, node_facts(node or _first(snapshot), snapshot, settings))
    name, source, local = _source(snapshot, vantage, node, asked.address)
    if snapshot.get(Node, Key("", name)) is None:
        raise UserError(f"there is no Node {name}")
    packet = Packet(source, asked.address, target.protocol, asked.port, local)
    decider, verdict = _decided(snapshot, name, packet, settings)
    if asked.text:
        verdict = replace(verdict, steps=(Step(Reason.ADDRESS_CHOSEN, asked.text), *verdict.steps))
    return Traced(decider, packet, verdict)


def _decided(snapshot: Snapshot, name: str, packet: Packet, settings: NetworkSettings) -> tuple[str, Verdict]:
    """By the node, or by the one that it sends the packet on to."""
    facts = node_facts(name, snapshot, settings)
    verdict = trace(compile_table(snapshot, facts), facts, packet)
    owner = next(iter(_owners(snapshot, packet.destination)), name)
    if verdict.action is not Action.ROUTE or owner == name:
        return name, verdict
    facts = node_facts(owner, snapshot, settings)
    there = trace(compile_table(snapshot, facts), facts, replace(packet, local=False))
    onward = Step(verdict.reason, f"{name} sends it on: {packet.destination} is an address of node {owner}")
    return owner, replace(there, steps=(onward, *there.steps))


async def ask_migration(client: Client) -> Migration:
    """What runs in the cluster, what would conflict, and the steps. A cluster without MetalLB has no pools."""
    snapshot = await read_cluster(client, (Service, EndpointSlice, Node, Pod, ConfigMap, IPAddressPool))
    return check(snapshot)


def _outside(snapshot: Snapshot, vantage: str, settings: NetworkSettings) -> Address | None:
    """The vantage point where it is an address that is neither a node's nor in a Pod network."""
    address = parse_address(vantage)
    sources = node_facts("", snapshot, settings).locality.cluster_sources
    is_inside = address is None or any(address.version == each.version and address in each for each in sources)
    return None if is_inside else address


def _asked(snapshot: Snapshot, target: Target, outside: Address | None, node: NodeFacts) -> Reached:
    """An address is asked as it is, without a word."""
    address = parse_address(target.host)
    if address is not None:
        return Reached(address, target.port, "")
    name, _, namespace = target.host.partition(".")
    service = snapshot.get(Service, Key(namespace.partition(".")[0] or "default", name))
    family = Family.of(outside) if outside is not None else Family.IPV4
    asker = Asker(family, target.protocol, target.port, node if outside is not None else None)
    found = reached(service, asker) if service is not None else None
    if found is None:
        raise UserError(f"{target.host!r} is neither an address nor a Service with one: write NAME or NAME.NAMESPACE")
    return found


def _source(snapshot: Snapshot, vantage: str, at: str, destination: Address) -> tuple[str, Address, bool]:
    """The node that sees the packet first, the packet's source, and whether it is the node's own."""
    match vantage.split("/"):
        case ["pod", *names] if 1 <= len(names) <= 2:
            key = Key(names[0] if len(names) == 2 else "default", names[-1])
            pod = snapshot.get(Pod, key)
            ips = [each.ip for each in pod.status.pod_ips] or [pod.status.pod_ip] if pod else []
            address = _of_family(ips, destination)
            if pod is None or address is None:
                raise UserError(f"there is no Pod {key} with an IPv{destination.version} address")
            if not pod.spec.node_name:
                raise UserError(f"the Pod {key} has no node yet")
            return pod.spec.node_name, address, False
        case ["node", name]:
            return name, _node_address(snapshot, name, destination), True
        case [text] if (outside := parse_address(text)) is not None:
            return at or _entry(snapshot, destination), outside, False
    raise UserError(f"{vantage!r} is no vantage point: write pod/NAME, pod/NAMESPACE/NAME, node/NAME or an address outside")


def _node_address(snapshot: Snapshot, name: str, destination: Address) -> Address:
    """From where a process of the node sends: to loopback from there."""
    node = snapshot.get(Node, Key("", name))
    address = _of_family(node.internal_ips, destination) if node else None
    if node is None or address is None:
        raise UserError(f"there is no Node {name} with an InternalIP of IPv{destination.version}")
    return destination if destination.is_loopback else address


def _of_family(texts: Iterable[str], destination: Address) -> Address | None:
    found = (parse_address(text) for text in texts)
    return next((each for each in found if each is not None and each.version == destination.version), None)


def _entry(snapshot: Snapshot, destination: Address) -> str:
    """Where a packet from outside arrives. One that nobody says to announce may arrive anywhere."""
    first = _first(snapshot)
    holders = {key for key, each in snapshot.all(Service).items() if destination in ingress_addresses(each)}
    announcers = [*_announcers(snapshot, ServiceL2Status, holders), *_announcers(snapshot, ServiceBGPStatus, holders)]
    return (*_owners(snapshot, destination), *announcers, first)[0]


def _announcers(snapshot: Snapshot, type_: type[Status], holders: set[Key]) -> Iterator[str]:
    """The nodes that say so of one of these Services."""
    for each in snapshot.all(type_).values():
        status = each.status
        is_ours = Key(status.service_namespace, status.service_name) in holders
        if is_ours and snapshot.get(Node, Key("", status.node)) is not None:
            yield status.node


def _first(snapshot: Snapshot) -> str:
    names = sorted(key.name for key in snapshot.all(Node))
    if not names:
        raise UserError("the cluster has no Node yet")
    return names[0]


def _owners(snapshot: Snapshot, address: Address) -> list[str]:
    """The Nodes with this InternalIP, by name."""
    return sorted(key.name for key, node in snapshot.all(Node).items() if str(address) in node.internal_ips)


async def ask_explain(client: Client, name: str, settings: NetworkSettings) -> Explanation:
    """`name` is NAME or NAMESPACE/NAME; `settings` are those of the node agents."""
    namespace, _, short = name.rpartition("/")
    snapshot = await read_cluster(client, (Service, Pod, EndpointSlice, Node, Event, ServiceCIDR, BGPPeer, *ANNOUNCED))
    leases, _ = await client.list(Lease, SYSTEM_NAMESPACE)
    snapshot = snapshot.with_objects(Lease, {each.key: each for each in leases})
    return explain_service(snapshot, Key(namespace or "default", short), time.time(), settings)


async def ask_drain(client: Client, node: str) -> Forecast:
    """What would become of the cluster without that node. Where nobody has ever announced, there is no view."""
    snapshot = await read_cluster(client, (Node, Pod, Service, EndpointSlice, *ANNOUNCED))
    try:
        view = await client.get(Lease, NODES.view)
    except ApiError as error:
        if error.code != NOT_FOUND:
            raise
        return forecast(snapshot, node)
    return forecast(snapshot.with_objects(Lease, {view.key: view}), node)
