"""`moorage trace`, `explain` and `drain --simulate`: what the API says now, read through the same code that decides about the
real cluster.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.announce.roll import NODES
from moorage.model.cluster import Event, Lease, Node
from moorage.model.config import ConfigMap
from moorage.model.errors import ApiError, UserError
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.metallb import BGPAdvertisement, L2Advertisement, ServiceL2Status
from moorage.model.net import Address, Protocol, parse_address
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.drain import Forecast, forecast
from moorage.observe.explain import Explanation, explain_service
from moorage.observe.migrate import Migration, check
from moorage.table.compile import compile_table
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.trace import Action, Packet, Step, Verdict, trace

PING = "icmp"
NOT_FOUND = 404
ANNOUNCED = (IPAddressPool, L2Advertisement, BGPAdvertisement, ServiceL2Status)
OPTIONAL: tuple[type[Object], ...] = (ServiceCIDR, *ANNOUNCED)
"""A server before Kubernetes 1.33 has no ServiceCIDRs, and one without MetalLB's definitions none of its kinds."""


class Target(msgspec.Struct, frozen=True):
    """`ADDRESS:PORT[/tcp|udp|sctp]` or `SERVICE[.NAMESPACE]:PORT[/...]`; `ADDRESS/icmp` is an echo request, with port 0 and no
    protocol. `host` is as it was typed.
    """

    host: str
    port: int
    protocol: Protocol | None


def parse_target(text: str) -> Target:
    """Raises UserError that shows the form."""
    place, _, protocol = text.partition("/")
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


async def ask_trace(client: Client, vantage: str, target: Target, node: str, settings: NetworkSettings) -> tuple[str, Verdict]:
    """The node that decides, and its verdict. `vantage` is pod/[NAMESPACE/]NAME, node/NAME or an address outside;
    `node` is where a packet from outside arrives, by default the node whose address is asked for, or the first. What one
    node sends on to an address of another is decided there. `settings` are those of the node agents.
    """
    snapshot = await read_cluster(client, (Service, EndpointSlice, Node, Pod, ServiceCIDR))
    destination = _destination(snapshot, target)
    name, source, local = _source(snapshot, vantage, node, destination)
    facts = node_facts(name, snapshot, settings)
    packet = Packet(source, destination, target.protocol, target.port, local)
    verdict = trace(compile_table(snapshot, facts), facts, packet)
    owner = next(iter(_owners(snapshot, destination)), name)
    if verdict.action is not Action.ROUTE or owner == name:
        return name, verdict
    facts = node_facts(owner, snapshot, settings)
    there = trace(compile_table(snapshot, facts), facts, msgspec.structs.replace(packet, local=False))
    onward = Step(verdict.reason, f"{name} sends it on: {destination} is an address of node {owner}")
    return owner, msgspec.structs.replace(there, steps=(onward, *there.steps))


async def ask_migration(client: Client) -> Migration:
    """What runs in the cluster, what would conflict, and the steps. A cluster without MetalLB has no pools."""
    snapshot = await read_cluster(client, (Service, EndpointSlice, Node, Pod, ConfigMap, IPAddressPool))
    return check(snapshot)


def _destination(snapshot: Snapshot, target: Target) -> Address:
    address = parse_address(target.host)
    if address is not None:
        return address
    name, _, namespace = target.host.partition(".")
    service = snapshot.get(Service, Key(namespace.partition(".")[0] or "default", name))
    found = parse_address(service.spec.cluster_ip) if service else None
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
    names = sorted(key.name for key in snapshot.all(Node))
    if not names:
        raise UserError("the cluster has no Node yet")
    return (_owners(snapshot, destination) or names)[0]


def _owners(snapshot: Snapshot, address: Address) -> list[str]:
    """The Nodes with this InternalIP, by name."""
    return sorted(key.name for key, node in snapshot.all(Node).items() if str(address) in node.internal_ips)


async def ask_explain(client: Client, name: str, settings: NetworkSettings) -> Explanation:
    """`name` is NAME or NAMESPACE/NAME; `settings` are those of the node agents."""
    namespace, _, short = name.rpartition("/")
    snapshot = await read_cluster(client, (Service, Pod, EndpointSlice, Node, Event, ServiceCIDR))
    return explain_service(snapshot, Key(namespace or "default", short), settings)


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
