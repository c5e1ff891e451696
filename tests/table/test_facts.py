from __future__ import annotations

from moorage.model.snapshot import Snapshot
from moorage.table.facts import node_facts
from moorage.table.types import NodeFacts
from tests.table.objects import addresses, net, node

CLUSTER = Snapshot.of(
    [
        node("node-1", "192.168.0.1", "fd01::1", cidrs=("10.244.0.0/24", "fd00:0:0:1::/64")),
        node("node-2", "192.168.0.2", cidrs=("10.244.1.0/24",)),
    ]
)


def test_without_cluster_cidrs_the_pod_networks_of_all_nodes_count_and_are_joined() -> None:
    assert node_facts("node-1", CLUSTER) == NodeFacts(
        "node-1",
        addresses("192.168.0.1", "fd01::1"),
        (net("10.244.0.0/23"), net("192.168.0.1/32"), net("192.168.0.2/32"), net("fd00:0:0:1::/64"), net("fd01::1/128")),
    )


def test_cluster_cidrs_replace_the_pod_networks() -> None:
    facts = node_facts("node-2", CLUSTER, (net("10.0.0.0/8"),))
    assert facts.cluster_sources == (net("10.0.0.0/8"), net("192.168.0.1/32"), net("192.168.0.2/32"), net("fd01::1/128"))


def test_the_zone_is_a_label_of_the_node() -> None:
    snapshot = Snapshot.of([node("node-1", labels={"topology.kubernetes.io/zone": "east"}), node("node-2")])
    assert [node_facts(name, snapshot).zone for name in ("node-1", "node-2", "node-3")] == ["east", "", ""]


def test_an_unknown_node_has_no_addresses() -> None:
    assert node_facts("node-3", CLUSTER).addresses == ()


def test_bad_addresses_and_prefixes_are_left_out() -> None:
    odd = node("odd", "not an address", "192.168.0.3", "192.168.0.3", cidrs=("10.244.0.1/24", ""))
    facts = node_facts("odd", Snapshot.of([odd]))
    assert facts == NodeFacts("odd", addresses("192.168.0.3"), (net("192.168.0.3/32"),))


def test_a_single_pod_cidr_counts_too() -> None:
    assert node_facts("old", Snapshot.of([node("old", podCIDR="10.1.0.0/24")])).cluster_sources == (net("10.1.0.0/24"),)
