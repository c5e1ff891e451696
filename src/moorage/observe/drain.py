"""A Snapshot and the name of a node -> what its drain would do: which Pods end, which Services lose, which addresses move.

    forecast(snapshot, "node-1") -> Forecast(pods, services, addresses, connections)

The cluster without the node goes through the code that decides about the real one, and what differs is told. Nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from moorage.model.cluster import Node
from moorage.model.errors import UserError
from moorage.model.meta import Key
from moorage.model.net import Family, Protocol
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import Endpoint, EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.drain_addresses import AddressEffect, address_effects
from moorage.table.frontends import LOCAL
from moorage.table.select import Wanted, candidates, select
from moorage.table.slice_index import SliceIndex

OVER = ("Succeeded", "Failed")


class PodEffect(msgspec.Struct, frozen=True):
    """A Pod that ends. `owner` is who makes another one, empty where nobody does; a DaemonSet makes none elsewhere."""

    pod: str
    address: str
    owner: str
    services: tuple[str, ...]


class ServiceEffect(msgspec.Struct, frozen=True):
    """`here` of its usable endpoints are on the node, `elsewhere` on others. `breaks`: nobody is left to take connections."""

    service: str
    here: int
    elsewhere: int
    breaks: bool
    message: str


class Forecast(msgspec.Struct, frozen=True):
    """`problems` are sentences about what would break; without any, the drain costs nobody anything that lasts."""

    node: str
    problems: tuple[str, ...]
    pods: tuple[PodEffect, ...]
    services: tuple[ServiceEffect, ...]
    addresses: tuple[AddressEffect, ...]
    connections: str


def forecast(snapshot: Snapshot, name: str) -> Forecast:
    """Reads Nodes, Pods, Services, EndpointSlices, what announces addresses, and the Lease with the view of the speakers.
    Raises UserError for a node that there is not.
    """
    if snapshot.get(Node, Key("", name)) is None:
        known = ", ".join(sorted(each.name for each in snapshot.all(Node))) or "none"
        raise UserError(f"there is no Node {name!r}: there are {known}")
    after = without_node(snapshot, name)
    pods = tuple(_pods(snapshot, name))
    services = tuple(_services(snapshot, after, name))
    addresses = address_effects(snapshot, after, name)
    lost = [each for each in pods if not each.owner]
    problems = (
        *(each.message for each in services if each.breaks),
        *(each.message for each in addresses if each.breaks),
        *(f"Pod {each.pod} has no owner: nobody makes it again" for each in lost),
    )
    return Forecast(name, problems, pods, services, addresses, _connections(services))


def without_node(snapshot: Snapshot, name: str) -> Snapshot:
    """The cluster once the node and everything on it is gone, and nothing has come in its place."""
    nodes = {key: each for key, each in snapshot.all(Node).items() if key.name != name}
    pods = {key: each for key, each in snapshot.all(Pod).items() if each.spec.node_name != name}
    slices = {key: _without_endpoints(each, name) for key, each in snapshot.all(EndpointSlice).items()}
    return snapshot.with_objects(Node, nodes).with_objects(Pod, pods).with_objects(EndpointSlice, slices)


def _without_endpoints(slice_: EndpointSlice, node: str) -> EndpointSlice:
    if all(each.node_name != node for each in slice_.endpoints):
        return slice_
    return replace(slice_, endpoints=tuple(each for each in slice_.endpoints if each.node_name != node))


def _pods(snapshot: Snapshot, name: str) -> Iterator[PodEffect]:
    services: dict[Key, list[str]] = {}
    for slice_ in snapshot.all(EndpointSlice).values():
        for each in slice_.endpoints:
            if each.node_name == name and (pod := _pod_of(each)) is not None:
                services.setdefault(pod, []).append(str(Key(slice_.metadata.namespace, slice_.service_name)))
    for key, pod_ in sorted(snapshot.all(Pod).items()):
        if pod_.spec.node_name == name and pod_.status.phase not in OVER:
            owner = next((f"{each.kind}/{each.name}" for each in pod_.metadata.owner_references if each.controller), "")
            yield PodEffect(str(key), pod_.status.pod_ip, owner, tuple(sorted(set(services.get(key, ())))))


def _pod_of(endpoint: Endpoint) -> Key | None:
    target = endpoint.target_ref
    return Key(target.namespace, target.name) if target is not None and target.kind == "Pod" else None


def _services(snapshot: Snapshot, after: Snapshot, name: str) -> Iterator[ServiceEffect]:
    before_slices = SliceIndex(snapshot.all(EndpointSlice).values())
    after_slices = SliceIndex(after.all(EndpointSlice).values())
    for key, service in sorted(snapshot.all(Service).items()):
        before, remaining = _usable(before_slices.of(key)), _usable(after_slices.of(key))
        here = sum(node == name for node in before.values())
        if here:
            yield _effect(service, here, len(remaining), sorted(set(remaining.values()) - {""}), name)


def _effect(service: Service, here: int, elsewhere: int, nodes: Sequence[str], name: str) -> ServiceEffect:
    if not elsewhere:
        message = f"Service {service.key} loses its last endpoint: connections to it are refused until another one is ready"
        return ServiceEffect(str(service.key), here, 0, True, message)
    where = f" on {', '.join(nodes)}" if nodes else ""
    message = f"Service {service.key} keeps {elsewhere} of {here + elsewhere} endpoints{where}"
    if service.spec.external_traffic_policy == LOCAL:
        message += f"; {name} has none left, and drops what comes to it from outside (externalTrafficPolicy: Local)"
    if service.spec.internal_traffic_policy == LOCAL:
        message += f"; what is left on {name} has no endpoint there (internalTrafficPolicy: Local)"
    return ServiceEffect(str(service.key), here, elsewhere, False, message)


def _usable(slices: Sequence[EndpointSlice]) -> dict[bytes, str]:
    """The addresses that take new connections, and their nodes."""
    found: dict[bytes, str] = {}
    ports = {(each.address_type, port.name, port.protocol or "TCP") for each in slices for port in each.ports}
    for address_type, port_name, protocol in ports:
        if address_type in (Family.IPV4.value, Family.IPV6.value) and protocol in Protocol.__members__:
            chosen = select(candidates(slices, Wanted(Family(address_type), port_name, Protocol(protocol))))
            found |= {each.endpoint[:-2]: each.node for each in chosen.backends}
    return found


def _connections(services: Sequence[ServiceEffect]) -> str:
    count = sum(each.here for each in services)
    ends = f"open connections to its {count} endpoints end with their Pods; " if count else ""
    return (
        f"{ends}those that only pass through the node (NodePorts, announced addresses) end when the machine does. How many are "
        "open the API does not know: on the node, /metrics of its agent counts connections and `conntrack -L` lists them"
    )
