"""Services, EndpointSlices and Nodes -> what the load balancer asks: every node, and for Services with `externalTrafficPolicy:
Local` their `healthCheckNodePort` at the nodes that have an endpoint.

So many probes there are: one for each node and interval, and at most 200 a second of `healthCheckNodePort`s, which are asked
less often where there are more. Of pairs of Service and node 2,000 are asked; for others the EndpointSlices speak alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from moorage.balance.health import HealthSettings, Target
from moorage.model.cluster import Node
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.service import EDGE, Service, provider_of
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.table.facts import internal_addresses
from moorage.table.frontends import LOCAL
from moorage.table.ingress import ingress_addresses
from moorage.table.slice_index import SliceIndex

CHECK_PATH = "/healthz"
MOST_CHECKS = 2000
"""Pairs of Service and node."""
CHECKS_PER_SECOND = 200


def targets(snapshot: Snapshot, settings: HealthSettings) -> frozenset[Target]:
    """Each at the first InternalIP of its node; a Node without one is not asked."""
    addresses: dict[str, Address] = {}
    for node in snapshot.all(Node).values():
        if found := internal_addresses(node):
            addresses[node.metadata.name] = found[0]
    of_nodes = [Target(name, address, settings.port, settings.path) for name, address in addresses.items()]
    checked = sorted(_checked(snapshot), key=lambda each: each.key)
    slices = SliceIndex(snapshot.all(EndpointSlice).values() if checked else ())
    pairs: list[Target] = []
    for service in checked:
        port = service.spec.health_check_node_port
        nodes = sorted(_nodes(slices, service.key) & addresses.keys())
        pairs += [Target(name, addresses[name], port, CHECK_PATH, service.key) for name in nodes]
    return frozenset([*of_nodes, *pairs[:MOST_CHECKS]])


def beat(target: Target, count: int) -> float:
    """Seconds between two probes of a target, unless the interval is longer, where there are `count` targets in all."""
    return 0.0 if target.service is None else count / CHECKS_PER_SECOND


def _checked(snapshot: Snapshot) -> Iterator[Service]:
    """Services that have a port at which nodes say whether they have an endpoint, and an address that clients use."""
    for service in snapshot.all(Service).values():
        spec = service.spec
        local = spec.external_traffic_policy == LOCAL and 0 < spec.health_check_node_port < 65536
        if local and provider_of(service) == EDGE and ingress_addresses(service):
            yield service


def _nodes(slices: SliceIndex, service: Key) -> set[str]:
    return {endpoint.node_name or "" for each in slices.of(service) for endpoint in each.endpoints}
