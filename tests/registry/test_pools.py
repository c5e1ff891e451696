"""IPAddressPool rules, as MetalLB's configuration and webhook have them."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import IP_ADDRESS_POOLS, NAMESPACES
from moorage.model.lb import IPAddressPool
from tests.registry.world import World, causes, refused


def pool(*addresses: str, name: str = "main") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"addresses": list(addresses)}}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], ["spec.addresses: Required value"]),
        (["x"], ['spec.addresses[0]: Invalid value: "x": invalid CIDR "x" in pool "main"']),
        (
            ["10.0.0.9-10.0.0.1"],
            [
                'spec.addresses[0]: Invalid value: "10.0.0.9-10.0.0.1": invalid IP range "10.0.0.9-10.0.0.1": '
                'start IP "10.0.0.9" is after the end IP "10.0.0.1" in pool "main"'
            ],
        ),
        (
            ["10.0.0.0/24", "10.0.0.1-10.0.0.2"],
            [
                'spec.addresses[1]: Invalid value: "10.0.0.1-10.0.0.2": CIDR "10.0.0.1-10.0.0.2" in pool "main" overlaps with '
                'already defined CIDR "10.0.0.0/24"'
            ],
        ),
    ],
)
def test_rules(addresses: list[str], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(IP_ADDRESS_POOLS, pool(*addresses)), 422)
    assert causes(error) == expected


def test_pools_do_not_overlap_in_any_namespace() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "metallb-system"}})
    world.create(IP_ADDRESS_POOLS, pool("198.18.100.0/24"), "metallb-system")
    error = refused(world, lambda: world.create(IP_ADDRESS_POOLS, pool("10.0.0.0/8", "198.18.100.9-198.18.101.9")), 422)
    assert causes(error) == [
        'spec.addresses[1]: Invalid value: "198.18.100.9-198.18.101.9": CIDR "198.18.100.9-198.18.101.9" in pool "main" '
        'overlaps with already defined CIDR "198.18.100.0/24" of pool "main"'
    ]
    world.create(IP_ADDRESS_POOLS, pool("10.0.0.0/8"))
    refused(world, lambda: world.merge(IP_ADDRESS_POOLS, "main", {"spec": {"addresses": ["198.18.0.0/15"]}}), 422)
    world.merge(IP_ADDRESS_POOLS, "main", {"spec": {"addresses": ["10.0.0.0/9"]}})  # its own old addresses do not count


def test_the_status_has_its_own_door() -> None:
    """A custom resource with a status subresource: a create drops it, a status write touches nothing else."""
    world = World()
    world.create(IP_ADDRESS_POOLS, {**pool("10.0.0.0/24"), "status": {"assignedIPv4": 5}})
    assert world.get(IPAddressPool, "main").status.assigned_ipv4 == 0
    patch = {"metadata": {"labels": {"a": "b"}}, "spec": {"addresses": ["x"]}, "status": {"availableIPv4": 256}}
    world.merge(IP_ADDRESS_POOLS, "main", patch, "status")
    found = world.get(IPAddressPool, "main")
    assert (found.status.available_ipv4, found.metadata.labels, found.metadata.generation) == (256, {}, 1)
    assert found.spec.addresses == ("10.0.0.0/24",)


def test_what_a_pool_promises_can_be_read_and_kept() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "metallb-system"}})
    good = {"moorage.dev/reservations": "shop/web=10.0.0.7, shop/web=fd00::7", "moorage.dev/retention": "24h"}
    made = pool("10.0.0.0/24", "fd00::/64")
    made["metadata"]["annotations"] = good
    world.create(IP_ADDRESS_POOLS, made, "metallb-system")
    other = pool("10.0.1.0/24", name="other")
    other["metadata"]["annotations"] = {"moorage.dev/reservations": "web=10.0.1.7", "moorage.dev/retention": "0"}
    error = refused(world, lambda: world.create(IP_ADDRESS_POOLS, other, "metallb-system"), 422)
    assert causes(error) == [
        'metadata.annotations[moorage.dev/reservations]: Invalid value: "web=10.0.1.7": "web=10.0.1.7" is no reservation: '
        "write NAMESPACE/NAME=ADDRESS",
        'metadata.annotations[moorage.dev/retention]: Invalid value: "0": "0" is no time: write 24h or 30m',
    ]
