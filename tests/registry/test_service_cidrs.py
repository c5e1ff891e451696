"""ServiceCIDR objects: what they extend, what is valid, when they go."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.model.kinds import SERVICE_CIDRS, SERVICES
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.registry.settings import RegistrySettings
from tests.registry.world import STARTED, World, causes, refused

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
SMALL = RegistrySettings(service_cidr="10.96.0.0/30")


def extend(world: World, name: str, *cidrs: str, **metadata: Any) -> None:
    world.create(SERVICE_CIDRS, {"metadata": {"name": name, **metadata}, "spec": {"cidrs": list(cidrs)}})


def started(settings: RegistrySettings = SMALL) -> World:
    """A world with the default ServiceCIDR, as the server makes it."""
    world = World(settings)
    extend(world, "kubernetes", *settings.service_cidr.split(","))
    return world


def conditions(world: World, name: str) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in world.get(ServiceCIDR, name).status.conditions]


READY = {
    "type": "Ready",
    "status": "True",
    "lastTransitionTime": STARTED,
    "reason": "",
    "message": "Kubernetes Service CIDR is ready",
}
IN_USE = {
    "type": "Ready",
    "status": "False",
    "lastTransitionTime": STARTED,
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
}


def test_a_range_is_ready_and_guarded_from_the_start() -> None:
    """servicecidrs Controller.sync. An empty reason is written out: clients take it for required."""
    world = World()
    status = {"conditions": [{"type": "Ready", "status": "False"}]}
    world.create(SERVICE_CIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.97.0.0/24"]}, "status": status})
    assert world.get(ServiceCIDR, "more").metadata.finalizers == (FINALIZER,)
    assert conditions(world, "more") == [READY]


def test_a_full_range_is_extended() -> None:
    """MetaAllocator.AllocateNextService."""
    world = started()
    assert {world.service("a").spec.cluster_ip, world.service("b").spec.cluster_ip} == {"10.96.0.1", "10.96.0.2"}
    refused(world, lambda: world.service("c"), 500)
    extend(world, "more", "10.97.0.0/24", "fd00::/112")
    assert world.service("c").spec.cluster_ip.startswith("10.97.0.")
    assert world.service("d", clusterIP="10.97.0.1").spec.cluster_ip == "10.97.0.1"


def test_only_configured_families_are_served() -> None:
    """serviceIPAllocatorsByFamily comes from the settings; a range of another family changes nothing."""
    world = started()
    extend(world, "six", "fd00::/112")
    error = refused(world, lambda: world.service(clusterIP="fd00::1"), 422)
    assert causes(error) == ['spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster']


def test_what_the_object_says_counts_and_not_the_settings() -> None:
    world = World(SMALL)
    extend(world, "kubernetes", "10.98.0.0/24")
    refused(world, lambda: world.service(clusterIP="10.96.0.1"), 422)
    assert world.service().spec.cluster_ip.startswith("10.98.0.")


def test_ipv6_that_is_too_short_gives_nothing() -> None:
    """NewIPAllocator: shortest allowed prefix length is 64; the object itself is valid."""
    world = started(RegistrySettings(service_cidr="fd00::/126"))
    extend(world, "large", "fd01::/48")
    refused(world, lambda: world.service(clusterIP="fd01::1"), 422)


def test_an_unused_range_goes_at_once() -> None:
    world = started()
    extend(world, "more", "10.97.0.0/24")
    world.service()
    world.delete(SERVICE_CIDRS, "more")
    assert not world.exists(SERVICE_CIDRS, "more")


def test_a_range_in_use_waits_for_its_last_address() -> None:
    """canDeleteCIDR."""
    world = started()
    extend(world, "more", "10.97.0.0/24")
    world.service("a", clusterIP="10.97.0.1")
    world.service("b", clusterIP="10.97.0.2")
    assert not world.delete(SERVICE_CIDRS, "more").deleted
    assert conditions(world, "more") == [IN_USE]
    refused(world, lambda: world.service("c", clusterIP="10.97.0.3"), 422)
    world.delete(SERVICES, "a")
    assert world.exists(SERVICE_CIDRS, "more")
    world.merge(SERVICES, "b", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    assert not world.exists(SERVICE_CIDRS, "more")


@pytest.mark.parametrize(
    ("cidrs", "gone"),
    [
        (["10.97.0.0/16"], True),  # hasParent: a larger range contains it
        (["10.97.0.0/24"], True),  # or another of the same prefix
        (["10.97.0.0/25"], True),  # ContainsAddress: every address lies in another range
        (["10.97.0.128/25"], False),
        (["10.96.0.0/11"], True),
        (["fd00::/64"], False),
    ],
)
def test_another_range_takes_over(cidrs: list[str], gone: bool) -> None:
    world = started()
    extend(world, "more", "10.97.0.0/24")
    world.service(clusterIP="10.97.0.1")
    world.delete(SERVICE_CIDRS, "more")
    extend(world, "other", *cidrs)
    assert world.exists(SERVICE_CIDRS, "more") is not gone
    assert world.get(Service, "web").spec.cluster_ip == "10.97.0.1"


def test_the_broadcast_address_of_a_smaller_range_is_not_in_it() -> None:
    """PrefixContainsIP."""
    world = started()
    extend(world, "more", "10.97.0.0/24")
    world.service(clusterIP="10.97.0.127")
    world.delete(SERVICE_CIDRS, "more")
    extend(world, "half", "10.97.0.0/25")
    assert world.exists(SERVICE_CIDRS, "more")


def test_of_two_equal_ranges_one_stays() -> None:
    """Upstream would let both go when both are deleted at once."""
    world = started()
    extend(world, "one", "10.97.0.0/24")
    extend(world, "two", "10.97.0.0/24")
    world.service(clusterIP="10.97.0.1")
    world.delete(SERVICE_CIDRS, "one")
    world.delete(SERVICE_CIDRS, "two")
    assert (world.exists(SERVICE_CIDRS, "one"), world.exists(SERVICE_CIDRS, "two")) == (False, True)


def test_other_finalizers_are_waited_for() -> None:
    world = started()
    extend(world, "more", "10.97.0.0/24", finalizers=["example.com/a"])
    world.delete(SERVICE_CIDRS, "more")
    assert world.get(ServiceCIDR, "more").metadata.finalizers == ("example.com/a",)
    world.merge(SERVICE_CIDRS, "more", {"metadata": {"finalizers": None}})
    assert not world.exists(SERVICE_CIDRS, "more")


def test_the_guard_comes_back_until_the_range_is_deleted() -> None:
    """addServiceCIDRFinalizerIfNeeded; while it is being deleted, whoever removes the finalizer has decided."""
    world = started()
    extend(world, "more", "10.97.0.0/24")
    world.service(clusterIP="10.97.0.1")
    world.merge(SERVICE_CIDRS, "more", {"metadata": {"finalizers": None}})
    assert world.get(ServiceCIDR, "more").metadata.finalizers == (FINALIZER,)
    world.delete(SERVICE_CIDRS, "more")
    assert world.merge(SERVICE_CIDRS, "more", {"metadata": {"finalizers": None}}).deleted


def test_a_status_write_leaves_readiness_to_the_server() -> None:
    world = started()
    mine = {"type": "example.com/Seen", "status": "True", "reason": "R", "message": "m"}
    patch = {"status": {"conditions": [{"type": "Ready", "status": "False"}, mine]}, "metadata": {"labels": {"a": "b"}}}
    world.merge(SERVICE_CIDRS, "kubernetes", patch, "status")
    assert conditions(world, "kubernetes") == [READY, mine]
    assert world.get(ServiceCIDR, "kubernetes").metadata.labels == {}  # ResetObjectMetaForStatus


ONE_OF_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


# ValidateServiceCIDR, validateServiceCIDRSpec
@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        ([], ["spec.cidrs: Required value: at least one CIDR required"]),
        (
            ["10.0.0.0/24", "fd00::/64", "10.1.0.0/24"],
            ['spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/24","fd00::/64","10.1.0.0/24"]}: may only hold up to 2 values'],
        ),
        (["10.0.0.0"], ['spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']),
        (["10.0.0.1/24"], ['spec.cidrs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length']),
        (["010.0.0.0/24"], ['spec.cidrs[0]: Invalid value: "010.0.0.0/24": must not have leading 0s in IP or prefix length']),
        (["10.0.0.0/24", "FD00::/64"], ['spec.cidrs[1]: Invalid value: "FD00::/64": must be in canonical form ("fd00::/64")']),
        (["10.0.0.0/24", "10.1.0.0/24"], [f'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: {ONE_OF_EACH}']),
    ],
)  # fmt: skip
def test_rules(cidrs: list[str], expected: list[str]) -> None:
    world = World()
    assert causes(refused(world, lambda: extend(world, "more", *cidrs), 422)) == expected


# ValidateServiceCIDRUpdate
@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        (["10.97.0.0/24", "fd00::/64"], None),
        (["10.98.0.0/24"], ['spec.cidrs[0]: Invalid value: "10.98.0.0/24": field is immutable']),
        (["10.98.0.0/24", "fd00::/64"], ['spec.cidrs[0]: Invalid value: "10.98.0.0/24": field is immutable']),
        (["10.97.0.0/24", "10.98.0.0/24"], [f'spec.cidrs: Invalid value: ["10.97.0.0/24","10.98.0.0/24"]: {ONE_OF_EACH}']),
        ([], ["spec.cidrs: Invalid value: []: field is immutable"]),
    ],
)
def test_a_second_family_may_be_added_and_nothing_changed(cidrs: list[str], expected: list[str] | None) -> None:
    world = World()
    extend(world, "more", "10.97.0.0/24")
    if expected is None:
        world.merge(SERVICE_CIDRS, "more", {"spec": {"cidrs": cidrs}})
        assert world.get(ServiceCIDR, "more").spec.cidrs == tuple(cidrs)
    else:
        error = refused(world, lambda: world.merge(SERVICE_CIDRS, "more", {"spec": {"cidrs": cidrs}}), 422)
        assert causes(error) == expected
