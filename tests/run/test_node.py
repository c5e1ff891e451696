from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from moorage.model.cluster import Namespace, Node
from moorage.model.errors import UserError
from moorage.model.meta import Object
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import PROXY_NAME_LABEL, EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.health import Health
from moorage.run.network import network_settings
from moorage.run.node import node_health, wants
from moorage.settings.roles import NodeSettings
from moorage.table.compile import compile_table
from moorage.table.facts import NetworkSettings, node_facts
from tests.table.objects import FACTS, endpoint, node, service, slice_

TAINT = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
GOOD = Health(True, 10.0)


def test_health_tells_of_the_own_node_only() -> None:
    snapshot = Snapshot.of([node("node-1"), node("node-2", taints=[TAINT])])
    assert node_health("node-1", GOOD, snapshot) == GOOD
    assert node_health("node-2", GOOD, snapshot) == Health(True, 10.0, node_eligible=False)


def test_a_node_that_the_api_does_not_know_is_not_eligible() -> None:
    assert node_health("node-1", GOOD, Snapshot.of([])) == Health(True, 10.0, node_eligible=False)


def test_networks_are_prefixes() -> None:
    given = network_settings(("10.244.0.0/16",), ("192.0.2.0/24",), False)
    assert given == NetworkSettings((ip_network("10.244.0.0/16"),), (ip_network("192.0.2.0/24"),), False)
    assert network_settings() == NetworkSettings((), (), True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"cluster_cidrs": ("10.244.0.1/16",)}, "--cluster-cidr: .* has host bits set"),
        ({"node_port_addresses": ("all",)}, "--nodeport-addresses: "),
        ({"node_port_addresses": ("primary", "10.0.0.0/8")}, "either primary or prefixes"),
    ],
)
def test_what_is_no_prefix_is_told_with_its_option(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        network_settings(**more)


def asked(**more: Any) -> dict[type[Object], tuple[str, str]]:
    """The selectors of each kind that an agent follows: by label, by field."""
    return {each.type: (each.labels, each.fields) for each in wants(NodeSettings(name="node-1", **more))}


def test_an_agent_asks_for_what_it_serves() -> None:
    """As kube-proxy does: nothing that another proxy serves, no slices without a virtual address."""
    assert asked() == {
        Service: ("!service.kubernetes.io/service-proxy-name", ""),
        EndpointSlice: ("!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless", ""),
        Node: ("", ""),
        ServiceCIDR: ("", ""),
    }


def test_an_agent_that_serves_dns_asks_for_all_that_has_a_name() -> None:
    assert asked(dns_port=53) == dict.fromkeys((Service, EndpointSlice, Node, ServiceCIDR, Namespace), ("", ""))


def test_an_agent_may_follow_its_own_node_only() -> None:
    assert asked(follow_nodes="own")[Node] == ("", "metadata.name=node-1")


def test_what_an_agent_does_not_ask_for_is_nothing_that_it_would_serve() -> None:
    """The table is the same with and without the selectors."""
    objects = [
        service("web"),
        service("other", labels={PROXY_NAME_LABEL: "x"}),
        service("bare", clusterIP="None"),
        slice_(endpoint("10.244.0.1")),
    ]
    selected = [each for each in objects if PROXY_NAME_LABEL not in each.metadata.labels and each.metadata.name != "bare"]
    whole, part = (compile_table(Snapshot.of(each), FACTS) for each in (objects, selected))
    assert whole.services == part.services != {}


def test_the_own_node_is_enough_to_serve_its_pods() -> None:
    """Pods of other nodes have their packets translated there: only this node's Pods ask it for ClusterIPs."""
    mine = node("node-1", podCIDRs=["10.244.1.0/24"])
    other = node("node-2", podCIDRs=["10.244.2.0/24"])
    everything, own = (node_facts("node-1", Snapshot.of(each)) for each in ([mine, other], [mine]))
    assert own.locality.pods_here == everything.locality.pods_here == (ip_network("10.244.1.0/24"),)
    assert set(own.locality.pods_here) <= set(own.locality.cluster_sources)
    assert (own.addresses, own.zone) == (everything.addresses, everything.zone)
