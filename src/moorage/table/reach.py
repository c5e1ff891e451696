"""A Service by its name -> the address that a client asks: from inside the cluster its ClusterIP, from outside what leads in.

From outside that is a load-balancer address, else an external IP, else the NodePort of a node. A Service that has none of
these is not to be reached from there, and its ClusterIP says so.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.model.net import Address, Family, Prefix, Protocol, parse_address
from moorage.model.service import EDGE, NODE_PORT, Service, ServicePort, provider_of
from moorage.table.ingress import ingress_addresses
from moorage.table.types import NodeFacts


class Reached(msgspec.Struct, frozen=True):
    """Where the client connects to, and a sentence that says so."""

    address: Address
    port: int
    text: str


class Asker(msgspec.Struct, frozen=True):
    """Who asks, and for which port (`protocol` None: a ping). `node` is where a packet from outside would arrive at a NodePort;
    None for a client inside the cluster, whose family is then not looked at.
    """

    family: Family
    protocol: Protocol | None
    port: int
    node: NodeFacts | None = None


def reached(service: Service, client: Asker) -> Reached | None:
    """None where the Service has no address at all."""
    inside = _parsed((service.spec.cluster_ip,))
    if client.node is None:
        return Reached(inside[0], client.port, f"{service.key} has the ClusterIP {inside[0]}") if inside else None
    found = _balanced(service, client) or _external(service, client) or _node_port(service, client, client.node)
    if found is not None or not inside:
        return found
    text = f"{service.key} has nothing that {_whom(client)} could ask, only the ClusterIP {inside[0]}"
    return Reached(inside[0], client.port, text)


def _whom(client: Asker) -> str:
    port = "a ping" if client.protocol is None else f"port {client.port}/{client.protocol.value.lower()}"
    return f"an {client.family.value} client outside the cluster ({port})"


def _balanced(service: Service, client: Asker) -> Reached | None:
    address = next(iter(_fitting(ingress_addresses(service, short_cut=True), client)), None)
    if address is None:
        return None
    text = f"{service.key} has the load-balancer address {address}, which a client outside the cluster asks"
    if provider_of(service) == EDGE:
        text += "; an edge takes it, and sends it on to a NodePort: what follows is what a node does with the address"
    return Reached(address, client.port, text)


def _external(service: Service, client: Asker) -> Reached | None:
    address = next(iter(_fitting(_parsed(service.spec.external_ips), client)), None)
    text = f"{service.key} has the external IP {address}, which a client outside the cluster asks"
    return Reached(address, client.port, text) if address is not None else None


def _node_port(service: Service, client: Asker, node: NodeFacts) -> Reached | None:
    """The port may be given as the Service's or as the NodePort itself."""
    port = next((each for each in service.spec.ports if _is_asked(each, client)), None)
    served = [each for each in node.addresses if _is_in(each, node.locality.node_port_addresses)]
    address = next(iter(_fitting(served, client)), None)
    if port is None or address is None:
        return None
    text = f"a client outside the cluster asks the NodePort {port.node_port} of {node.name} ({address})"
    balanced = ingress_addresses(service)
    if service.spec.type == NODE_PORT:
        return Reached(address, port.node_port, f"{service.key} is of type NodePort: {text}")
    if balanced:
        text = (
            f"the load-balancer address {balanced[0]} is one that nodes do not serve for it: {text}, as the load balancer does"
        )
        return Reached(address, port.node_port, f"{service.key}: {text}")
    return Reached(address, port.node_port, f"{service.key} has no load-balancer address yet: {text}")


def _is_asked(port: ServicePort, client: Asker) -> bool:
    if client.protocol is None or not port.node_port or (port.protocol or "TCP") != client.protocol.value:
        return False
    return client.port in (port.port, port.node_port)


def _is_in(address: Address, prefixes: Iterable[Prefix]) -> bool:
    return any(address.version == each.version and address in each for each in prefixes)


def _fitting(addresses: Iterable[Address], client: Asker) -> list[Address]:
    return [each for each in addresses if Family.of(each) is client.family]


def _parsed(texts: Iterable[str]) -> list[Address]:
    return [each for each in map(parse_address, texts) if each is not None]
