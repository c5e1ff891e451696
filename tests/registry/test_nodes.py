"""Node rules (`ValidateNode`, `ValidateNodeUpdate`)."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import pytest

from moorage.model.cluster import Node
from moorage.model.kinds import NODES
from tests.registry.world import World, causes, refused


def test_a_kubelet_registers_with_its_status() -> None:
    world = World()
    tree = {
        "metadata": {"name": "node-1"},
        "spec": {"podCIDR": "10.244.1.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": "198.18.0.11"}]},
    }
    world.create(NODES, tree)
    found = world.get(Node, "node-1")
    assert found.internal_ips == ("198.18.0.11",)
    assert found.spec.pod_cidrs == ("10.244.1.0/24",)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (
            {"spec": {"podCIDR": "10.0.0.0"}},
            ['spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
        ),
        (
            {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}},
            [
                'spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.2.0.0/24"]: first value must match `podCIDR`',
                'spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.2.0.0/24"]: may specify no more than one CIDR for each IP family',
            ],
        ),
        (
            {"spec": {"taints": [{"key": "a", "effect": "X"}, {"key": "a", "effect": "X"}]}},
            [
                'spec.taints[0].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
                'spec.taints[1].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
                'spec.taints[1]: Duplicate value: {"key":"a","effect":"X"}',
            ],
        ),
        (
            {"status": {"addresses": [{"type": "Hostname", "address": "a"}] * 2}},
            ['status.addresses[1]: Duplicate value: {"type":"Hostname","address":"a"}'],
        ),
    ],
)
def test_rules(tree: dict[str, Any], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(NODES, {"metadata": {"name": "node-1"}, **tree}), 422)
    assert causes(error) == expected


def test_what_may_not_change() -> None:
    world = World()
    world.create(NODES, {"metadata": {"name": "node-1"}})
    world.merge(NODES, "node-1", {"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"], "providerID": "a"}})
    change = {"podCIDR": "10.244.2.0/24", "podCIDRs": ["10.244.2.0/24"], "providerID": "b"}
    assert causes(refused(world, lambda: world.merge(NODES, "node-1", {"spec": change}), 422)) == [
        'spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]
