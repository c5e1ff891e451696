"""`moorage trace` and `moorage explain`: what the API says now, read through the same table that the node agents compile."""

from __future__ import annotations

import ipaddress

import msgspec

from moorage.model.cluster import Event, Node
from moorage.model.errors import UserError
from moorage.model.meta import Key, Object
from moorage.model.net import Address, Prefix, Protocol, parse_address
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.explain import Explanation, explain_service
from moorage.table.compile import compile_table
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.trace import Packet, Verdict, trace


class Target(msgspec.Struct, frozen=True):
    """`ADDRESS:PORT[/tcp|udp|sctp]` or `SERVICE[.NAMESPACE]:PORT[/...]`. `host` is as it was typed."""

    host: str
    port: int
    protocol: Protocol


def parse_target(text: str) -> Target:
    """Raises UserError that shows the form."""
    place, _, protocol = text.partition("/")
    host, _, port = place.rpartition(":")
    try:
        known = Protocol((protocol or "tcp").upper())
        number = int(port)
    except ValueError:
        known, number = Protocol.TCP, 0
    if not host or not 0 < number < 65536:
        raise UserError(f"{text!r} is no target: write ADDRESS:PORT or SERVICE:PORT, with /udp or /sctp where it is not TCP")
    return Target(host.strip("[]"), number, known)


async def read_cluster(client: Client, types: tuple[type[Object], ...]) -> Snapshot:
    """One list of each kind."""
    snapshot = Snapshot()
    for type_ in types:
        objects, _ = await client.list(type_)
        snapshot = snapshot.with_objects(type_, {each.key: each for each in objects})
    return snapshot


async def ask_trace(client: Client, vantage: str, target: Target, node: str, cidrs: tuple[Prefix, ...]) -> tuple[str, Verdict]:
    """The node that decides, and its verdict. `vantage` is pod/[NAMESPACE/]NAME, node/NAME or an address outside;
    `node` is where a packet from outside arrives, by default the node whose address is asked for, or the first.
    """
    snapshot = await read_cluster(client, (Service, EndpointSlice, Node, Pod))
    destination = _destination(snapshot, target)
    name, source, local = _source(snapshot, vantage, node, destination)
    facts = node_facts(name, snapshot, NetworkSettings(cidrs))
    packet = Packet(source, destination, target.protocol, target.port, local)
    return name, trace(compile_table(snapshot, facts), facts, packet)


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
            address = parse_address(pod.status.pod_ip) if pod else None
            if pod is None or address is None:
                raise UserError(f"there is no Pod {key} with an address")
            return pod.spec.node_name, address, False
        case ["node", name]:
            return name, _node_address(snapshot, name), True
        case [text] if (outside := parse_address(text)) is not None:
            return at or _entry(snapshot, destination), outside, False
    raise UserError(f"{vantage!r} is no vantage point: write pod/NAME, pod/NAMESPACE/NAME, node/NAME or an address outside")


def _node_address(snapshot: Snapshot, name: str) -> Address:
    node = snapshot.get(Node, Key("", name))
    address = parse_address(next(iter(node.internal_ips), "")) if node else None
    if address is None:
        raise UserError(f"there is no Node {name} with an InternalIP")
    return address


def _entry(snapshot: Snapshot, destination: Address) -> str:
    names = sorted(key.name for key in snapshot.all(Node))
    if not names:
        raise UserError("the cluster has no Node yet")
    owner = [name for name in names if str(destination) in snapshot.all(Node)[Key("", name)].internal_ips]
    return (owner or names)[0]


async def ask_explain(client: Client, name: str, cidrs: tuple[Prefix, ...] = ()) -> Explanation:
    """`name` is NAME or NAMESPACE/NAME."""
    namespace, _, short = name.rpartition("/")
    snapshot = await read_cluster(client, (Service, Pod, EndpointSlice, Node, Event))
    return explain_service(snapshot, Key(namespace or "default", short), cidrs)


def prefixes(texts: list[str]) -> tuple[Prefix, ...]:
    """Raises UserError for what is no network."""
    try:
        return tuple(ipaddress.ip_network(each) for each in texts)
    except ValueError as error:
        raise UserError(f"--cluster-cidr: {error}") from error
