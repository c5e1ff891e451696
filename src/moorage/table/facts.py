"""Node objects -> what a table has to know of the node it is made for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from moorage.model.cluster import ZONE_LABEL, Node
from moorage.model.meta import Key
from moorage.model.net import Address, Prefix, parse_address
from moorage.model.snapshot import Snapshot
from moorage.table.types import NodeFacts


def node_facts(name: str, snapshot: Snapshot, cluster_cidrs: Sequence[Prefix] = ()) -> NodeFacts:
    """Facts of the node `name`; its cost grows with the number of Nodes.

    `addresses` are the Node's InternalIPs, none while the Node is unknown. `cluster_sources` are the Pod networks and every
    Node's InternalIPs; without `cluster_cidrs` the Pod networks are the `spec.podCIDRs` of all Nodes. What is no address or
    prefix in a Node object is left out.
    """
    nodes = snapshot.all(Node)
    this = snapshot.get(Node, Key("", name))
    pods = cluster_cidrs or [prefix for node in nodes.values() for prefix in _pod_networks(node)]
    hosts = [ipaddress.ip_network(address) for node in nodes.values() for address in internal_addresses(node)]
    zone = this.metadata.labels.get(ZONE_LABEL, "") if this else ""
    return NodeFacts(name, internal_addresses(this) if this else (), _collapsed([*pods, *hosts]), zone)


def internal_addresses(node: Node) -> tuple[Address, ...]:
    """The Node's InternalIPs in the order of `status.addresses`, without repetition."""
    parsed = (parse_address(text) for text in node.internal_ips)
    return tuple(dict.fromkeys(each for each in parsed if each is not None))


def _pod_networks(node: Node) -> Iterable[Prefix]:
    for text in node.spec.pod_cidrs or (node.spec.pod_cidr,):
        try:
            yield ipaddress.ip_network(text)
        except ValueError:
            continue


def _collapsed(prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """The same addresses in the fewest prefixes, IPv4 first, sorted."""
    four = [each for each in prefixes if each.version == 4]
    six = [each for each in prefixes if each.version == 6]
    return (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))
