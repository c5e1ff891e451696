from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from moorage.model.errors import UserError
from moorage.model.snapshot import Snapshot
from moorage.observe.health import Health
from moorage.run.network import network_settings
from moorage.run.node import node_health
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
