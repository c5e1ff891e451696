from __future__ import annotations

import msgspec

from moorage.model.net import collapsed
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.snapshot import Snapshot
from moorage.table.facts import LOOPBACK, NetworkSettings, node_facts
from moorage.table.types import Locality, NodeFacts
from tests.table.objects import addresses, net, node

CLUSTER = Snapshot.of(
    [
        node("node-1", "192.168.0.1", "192.168.0.9", "fd01::1", cidrs=("10.244.0.0/24", "fd00:0:0:1::/64")),
        node("node-2", "192.168.0.2", cidrs=("10.244.1.0/24",)),
    ]
)
HOSTS = (net("192.168.0.1/32"), net("192.168.0.2/32"), net("192.168.0.9/32"))


def service_cidr(name: str, *cidrs: str) -> ServiceCIDR:
    return msgspec.convert({"metadata": {"name": name}, "spec": {"cidrs": cidrs}}, ServiceCIDR)


def test_without_settings_everything_is_read_from_the_nodes() -> None:
    assert node_facts("node-1", CLUSTER) == NodeFacts(
        "node-1",
        addresses("192.168.0.1", "192.168.0.9", "fd01::1"),
        locality=Locality(
            cluster_sources=(net("10.244.0.0/23"), *HOSTS, net("fd00:0:0:1::/64"), net("fd01::1/128")),
            pods_here=(net("10.244.0.0/24"), net("fd00:0:0:1::/64")),
            node_port_addresses=(*LOOPBACK, net("192.168.0.1/32"), net("192.168.0.9/32"), net("fd01::1/128")),
            own=addresses("fd01::1", "192.168.0.1"),
        ),
    )


def test_cluster_cidrs_replace_the_pod_networks() -> None:
    facts = node_facts("node-2", CLUSTER, NetworkSettings((net("10.0.0.0/8"),)))
    assert facts.locality.cluster_sources == (net("10.0.0.0/8"), *HOSTS, net("fd01::1/128"))
    assert facts.locality.pods_here == (net("10.244.1.0/24"),)


def test_a_node_without_a_pod_network_may_have_any_pod() -> None:
    snapshot = Snapshot.of([node("node-1", "192.168.0.1"), node("node-2", cidrs=("10.244.1.0/24",))])
    assert node_facts("node-1", snapshot).locality.pods_here == (net("10.244.1.0/24"),)
    wide = node_facts("node-1", snapshot, NetworkSettings((net("10.0.0.0/8"),)))
    assert wide.locality.pods_here == (net("10.0.0.0/8"),)


def test_node_ports_are_served_where_the_operator_says() -> None:
    settings = NetworkSettings(node_port_cidrs=(net("172.16.0.0/12"),), localhost_node_ports=False)
    assert node_facts("node-1", CLUSTER, settings).locality.node_port_addresses == (net("172.16.0.0/12"),)
    everywhere = NetworkSettings(node_port_cidrs=(net("0.0.0.0/0"), net("::/0")))
    four, *six = node_facts("node-1", CLUSTER, everywhere).locality.node_port_addresses
    assert four == net("0.0.0.0/0")
    assert collapsed([*six, net("::1/128")]) == (net("::/0"),)
    assert net("::1/128") not in six


def test_service_cidrs_come_from_the_api() -> None:
    objects = [service_cidr("kubernetes", "10.96.0.0/16", "fd02::/112"), service_cidr("more", "10.97.0.0/16", "nonsense")]
    facts = node_facts("node-1", Snapshot.of(objects))
    assert facts.locality.service_cidrs == (net("10.96.0.0/15"), net("fd02::/112"))


def test_weights_of_nodes_that_are_no_whole_number_do_not_count() -> None:
    nodes = [node(str(value), metadata={"annotations": {"moorage.dev/weight": value}}) for value in ("3", "0", "1", "-1", "x")]
    assert node_facts("a", Snapshot.of([*nodes, node("plain")])).weights == {"3": 3, "0": 0}


def test_the_zone_is_a_label_of_the_node() -> None:
    snapshot = Snapshot.of([node("node-1", labels={"topology.kubernetes.io/zone": "east"}), node("node-2")])
    assert [node_facts(name, snapshot).zone for name in ("node-1", "node-2", "node-3")] == ["east", "", ""]


def test_an_unknown_node_has_no_addresses() -> None:
    facts = node_facts("node-3", CLUSTER)
    assert (facts.addresses, facts.locality.own, facts.locality.node_port_addresses) == ((), (), LOOPBACK)


def test_bad_addresses_and_prefixes_are_left_out() -> None:
    odd = node("odd", "not an address", "192.168.0.3", "192.168.0.3", cidrs=("10.244.0.0/99", "fe80::%eth0/64", ""))
    facts = node_facts("odd", Snapshot.of([odd]))
    assert facts.addresses == addresses("192.168.0.3")
    assert facts.locality.cluster_sources == (net("192.168.0.3/32"),)


def test_a_single_pod_cidr_counts_too() -> None:
    facts = node_facts("old", Snapshot.of([node("old", podCIDR="10.1.0.0/24")]))
    assert facts.locality.cluster_sources == facts.locality.pods_here == (net("10.1.0.0/24"),)
