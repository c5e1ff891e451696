from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from moorage.model.errors import UserError
from moorage.model.snapshot import Snapshot
from moorage.observe.health import Health
from moorage.run.node import NodeSettings, node_health
from moorage.table.facts import NetworkSettings
from tests.table.objects import node

TAINT = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
GOOD = Health(True, 10.0)


def test_health_tells_of_the_own_node_only() -> None:
    snapshot = Snapshot.of([node("node-1"), node("node-2", taints=[TAINT])])
    assert node_health("node-1", GOOD, snapshot) == GOOD
    assert node_health("node-2", GOOD, snapshot) == Health(True, 10.0, node_eligible=False)


def test_a_node_that_the_api_does_not_know_is_not_eligible() -> None:
    assert node_health("node-1", GOOD, Snapshot.of([])) == Health(True, 10.0, node_eligible=False)


def settings(**more: Any) -> NodeSettings:
    return NodeSettings("node-1", "kubeconfig", **more)


def test_networks_are_prefixes() -> None:
    given = settings(cluster_cidrs=("10.244.0.0/16",), node_port_addresses=("192.0.2.0/24",), localhost_node_ports=False)
    assert given.network == NetworkSettings((ip_network("10.244.0.0/16"),), (ip_network("192.0.2.0/24"),), False)
    assert settings().network == NetworkSettings((), (), True)


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
        _ = settings(**more).network


def test_where_metrics_are_served() -> None:
    assert settings().metrics_at == ("127.0.0.1", 10249)
    assert settings(metrics="[::]:9100").metrics_at == ("::", 9100)
    assert settings(metrics="").metrics_at is None


@pytest.mark.parametrize("metrics", ["10249", "node-1:10249", "127.0.0.1:0", "127.0.0.1:99999", "::1", "127.0.0.1:"])
def test_where_metrics_cannot_be_served(metrics: str) -> None:
    with pytest.raises(UserError, match=r"must be an address and a port, such as 127\.0\.0\.1:10249"):
        _ = settings(metrics=metrics).metrics_at
