from __future__ import annotations

import pytest

from moorage.dns.resolv import resolv_conf
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Pod, PodSpec
from moorage.model.wire import Tree

HOST = "# made by hand\nnameserver 192.0.2.53 # ours\nsearch old.example\nsearch corp.example .\noptions timeout:1\n"

CLUSTER = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
CLUSTER_AND_HOST = CLUSTER.replace(" cluster.local\n", " cluster.local corp.example\n")
NODE = "search corp.example\nnameserver 192.0.2.53\noptions timeout:1\n"


def resolv(policy: str, host: str = HOST, host_network: bool = False, config: Tree | None = None) -> str:
    spec = PodSpec(dns_policy=policy, host_network=host_network, dns_config=config)
    return resolv_conf(Pod(metadata=ObjectMeta(name="p", namespace="shop"), spec=spec), ("10.96.0.10",), host)


@pytest.mark.parametrize(
    ("policy", "host_network", "text"),
    [
        ("", False, CLUSTER_AND_HOST),
        ("ClusterFirst", False, CLUSTER_AND_HOST),
        ("ClusterFirst", True, NODE),
        ("ClusterFirstWithHostNet", True, CLUSTER_AND_HOST),
        ("Default", False, NODE),
        ("None", False, ""),
    ],
)
def test_policies(policy: str, host_network: bool, text: str) -> None:
    assert resolv(policy, host_network=host_network) == text


def test_without_a_resolver_of_the_node() -> None:
    assert resolv("ClusterFirst", host="") == CLUSTER


def test_the_config_of_a_pod_is_added_and_its_options_replace() -> None:
    config: Tree = {
        "nameservers": ["192.0.2.1", "10.96.0.10", "192.0.2.2", "192.0.2.3"],
        "searches": ["svc.cluster.local", "more.example"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}, {"value": "nameless"}],
    }
    assert resolv("ClusterFirst", host="", config=config) == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local more.example\n"
        "nameserver 10.96.0.10\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
        "options ndots:2 edns0\n"
    )
    assert resolv("None", config={"nameservers": ["192.0.2.1"]}) == "nameserver 192.0.2.1\n"


def test_long_search_lists_are_cut() -> None:
    many = [f"s{n}.example" for n in range(40)]
    assert len(resolv("None", config={"searches": many}).split()) == 1 + 32
    wide = [f"{n}{'x' * 60}.example" for n in range(32)]
    assert len(resolv("None", config={"searches": wide})) <= len("search ") + 2048 + 1
