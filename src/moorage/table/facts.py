"""Node and ServiceCIDR objects -> what a table has to know of the node it is made for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import msgspec

from moorage.model.cluster import ZONE_LABEL, Node
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Prefix, collapsed, parse_address, parse_prefix
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.snapshot import Snapshot
from moorage.table.types import Locality, NodeFacts
from moorage.table.weights import weight_of

LOOPBACK: tuple[Prefix, ...] = (ipaddress.IPv4Network("127.0.0.0/8"),)
_ONE = ipaddress.IPv6Network("::1")
"""Never served: there is no way back for what a Pod answers to it (`rt6_need_strict` in the kernel). Refused, as nobody listens
there, clients of `localhost` go on to 127.0.0.1.
"""


class NetworkSettings(msgspec.Struct, frozen=True):
    """What an operator may say about the network; the rest is read from the API.

    `cluster_cidrs` are the Pod networks, by default the `spec.podCIDRs` of all Nodes. NodePorts are served at the node's own
    addresses in `node_port_cidrs`, by default at its InternalIPs (kube-proxy `--nodeport-addresses primary`), and with
    `localhost_node_ports` at its loopback addresses of IPv4 as well.
    """

    cluster_cidrs: tuple[Prefix, ...] = ()
    node_port_cidrs: tuple[Prefix, ...] = ()
    localhost_node_ports: bool = True


def node_facts(name: str, snapshot: Snapshot, settings: NetworkSettings = NetworkSettings()) -> NodeFacts:  # noqa: B008
    """Facts of the node `name`; its cost grows with the number of Nodes. What is no address or prefix is left out.

    Without `spec.podCIDRs` of its own, every Pod of the cluster may live on the node: then a Pod of another node counts as one
    of this node's where it asks for a NodePort of this node.
    """
    nodes = snapshot.all(Node)
    this = snapshot.get(Node, Key("", name))
    pods = settings.cluster_cidrs or tuple(prefix for node in nodes.values() for prefix in _pod_networks(node))
    hosts = [ipaddress.ip_network(address) for node in nodes.values() for address in internal_addresses(node)]
    addresses = internal_addresses(this) if this else ()
    locality = Locality(
        cluster_sources=collapsed([*pods, *hosts]),
        pods_here=collapsed(tuple(_pod_networks(this)) if this else ()) or collapsed(pods),
        node_port_addresses=_node_port_addresses(addresses, settings),
        service_cidrs=collapsed(_service_networks(snapshot)),
        own=tuple({Family.of(each): each for each in reversed(addresses)}.values()),
    )
    zone = this.metadata.labels.get(ZONE_LABEL, "") if this else ""
    return NodeFacts(name, addresses, zone, locality, _weights(nodes.values()))


def internal_addresses(node: Node) -> tuple[Address, ...]:
    """The Node's InternalIPs in the order of `status.addresses`, without repetition."""
    parsed = (parse_address(text) for text in node.internal_ips)
    return tuple(dict.fromkeys(each for each in parsed if each is not None))


def _node_port_addresses(addresses: Iterable[Address], settings: NetworkSettings) -> tuple[Prefix, ...]:
    served = settings.node_port_cidrs or tuple(map(ipaddress.ip_network, addresses))
    loopback = LOOPBACK if settings.localhost_node_ports else ()
    return collapsed((*(part for each in served for part in _without_one(each)), *loopback))


def _without_one(prefix: Prefix) -> Iterable[Prefix]:
    if isinstance(prefix, ipaddress.IPv6Network) and _ONE.subnet_of(prefix):
        return prefix.address_exclude(_ONE)
    return (prefix,)


def _pod_networks(node: Node) -> Iterable[Prefix]:
    return _prefixes(node.spec.pod_cidrs or (node.spec.pod_cidr,))


def _service_networks(snapshot: Snapshot) -> Iterable[Prefix]:
    return (prefix for each in snapshot.all(ServiceCIDR).values() for prefix in _prefixes(each.spec.cidrs))


def _prefixes(texts: Iterable[str]) -> Iterable[Prefix]:
    return (prefix for prefix in map(parse_prefix, texts) if prefix is not None)


def _weights(nodes: Iterable[Node]) -> Mapping[str, int]:
    weights = {node.metadata.name: weight_of(node) for node in nodes}
    return {name: weight for name, weight in weights.items() if weight is not None and weight != 1}
