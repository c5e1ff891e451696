"""One family or two: what a Service gets, what changes later, what is refused.

Rows name functions of `pkg/registry/core/service/storage/alloc.go` and `pkg/apis/core/validation/validation.go`.
"""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from moorage.model.kinds import SERVICES
from moorage.model.net import Family
from moorage.model.service import Service, ServiceSpec
from moorage.registry.service_families import settle
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World, causes, refused

V4, V6 = "10.96.0.0/16", "fd00:10:96::/112"
SETTINGS = {
    "4": RegistrySettings(service_cidr=V4),
    "6": RegistrySettings(service_cidr=V6),
    "46": RegistrySettings(service_cidr=f"{V4},{V6}"),
    "64": RegistrySettings(service_cidr=f"{V6}, {V4}"),
}
FOUR, SIX = "IPv4", "IPv6"
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
HEADLESS = {"clusterIP": "None"}
SELECTOR = {"selector": {"app": "a"}}


def shape(spec: ServiceSpec) -> tuple[str | None, list[str], list[str]]:
    """Policy, families, and the families of the addresses."""
    addresses = [Family.of(ip_address(each)).value for each in spec.cluster_ips if each != "None"]
    assert spec.cluster_ip == (spec.cluster_ips[0] if spec.cluster_ips else "")
    return spec.ip_family_policy, list(spec.ip_families), addresses


# initIPFamilyFields, allocClusterIPs: the tables of "TestCreateInitIPFields" in storage_test.go
@pytest.mark.parametrize(
    ("cluster", "given", "policy", "families", "addresses"),
    [
        ("4", {}, SINGLE, [FOUR], 1),
        ("6", {}, SINGLE, [SIX], 1),
        ("46", {}, SINGLE, [FOUR], 1),
        ("64", {}, SINGLE, [SIX], 1),
        ("46", {"ipFamilies": [SIX]}, SINGLE, [SIX], 1),
        ("46", {"clusterIP": "fd00:10:96::5"}, SINGLE, [SIX], 1),
        ("4", {"ipFamilyPolicy": PREFER}, PREFER, [FOUR], 1),
        ("46", {"ipFamilyPolicy": PREFER}, PREFER, [FOUR, SIX], 2),
        ("64", {"ipFamilyPolicy": PREFER}, PREFER, [SIX, FOUR], 2),
        ("46", {"ipFamilyPolicy": PREFER, "ipFamilies": [SIX]}, PREFER, [SIX, FOUR], 2),
        ("46", {"ipFamilyPolicy": REQUIRE}, REQUIRE, [FOUR, SIX], 2),
        ("46", {"ipFamilyPolicy": REQUIRE, "clusterIP": "fd00:10:96::5"}, REQUIRE, [SIX, FOUR], 2),
        ("46", {"ipFamilyPolicy": REQUIRE, "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5"]}, REQUIRE, [FOUR, SIX], 2),
        ("46", {"ipFamilyPolicy": PREFER, "clusterIP": "fd00:10:96::5", "clusterIPs": ["fd00:10:96::5", "10.96.0.5"], "ipFamilies": [SIX]}, PREFER, [SIX, FOUR], 2),
        ("46", {"type": "LoadBalancer", "ipFamilyPolicy": PREFER}, PREFER, [FOUR, SIX], 2),
        # headless with a selector follows the cluster
        ("4", {**HEADLESS, **SELECTOR}, SINGLE, [FOUR], 0),
        ("46", {**HEADLESS, **SELECTOR}, SINGLE, [FOUR], 0),
        ("46", {**HEADLESS, **SELECTOR, "ipFamilyPolicy": PREFER}, PREFER, [FOUR, SIX], 0),
        ("4", {**HEADLESS, **SELECTOR, "ipFamilyPolicy": PREFER}, PREFER, [FOUR], 0),
        ("46", {**HEADLESS, **SELECTOR, "ipFamilyPolicy": REQUIRE, "ipFamilies": [SIX]}, REQUIRE, [SIX, FOUR], 0),
        # headless without one may have families that the cluster has not
        ("4", HEADLESS, REQUIRE, [FOUR, SIX], 0),
        ("6", HEADLESS, REQUIRE, [SIX, FOUR], 0),
        ("46", HEADLESS, REQUIRE, [FOUR, SIX], 0),
        ("4", {**HEADLESS, "ipFamilyPolicy": SINGLE}, SINGLE, [FOUR], 0),
        ("4", {**HEADLESS, "ipFamilyPolicy": SINGLE, "ipFamilies": [SIX]}, SINGLE, [SIX], 0),
        ("4", {**HEADLESS, "ipFamilyPolicy": PREFER, "ipFamilies": [SIX]}, PREFER, [SIX, FOUR], 0),
    ],
)  # fmt: skip
def test_what_a_new_service_gets(cluster: str, given: dict[str, Any], policy: str, families: list[str], addresses: int) -> None:
    world = World(SETTINGS[cluster])
    service = world.service(**given)
    assert shape(service.spec) == (policy, families, families[:addresses])
    assert sorted(world.held("clusterip")) == sorted(each for each in service.spec.cluster_ips if each != "None")


POLICY = "spec.ipFamilyPolicy: Invalid value: "
MULTIPLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"


@pytest.mark.parametrize(
    ("cluster", "given", "expected"),
    [
        ("4", {"ipFamilyPolicy": REQUIRE}, [f'{POLICY}"RequireDualStack": this cluster is not configured for dual-stack services']),
        ("4", {**HEADLESS, **SELECTOR, "ipFamilyPolicy": REQUIRE}, [f'{POLICY}"RequireDualStack": this cluster is not configured for dual-stack services']),
        ("4", {"ipFamilies": [SIX]}, ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']),
        ("4", {"ipFamilyPolicy": PREFER, "ipFamilies": [FOUR, SIX]}, ['spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster']),
        ("4", {"ipFamilyPolicy": REQUIRE, "ipFamilies": [SIX, FOUR]}, [
            f'{POLICY}"RequireDualStack": this cluster is not configured for dual-stack services',
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ]),
        ("4", {"clusterIP": "fd00:10:96::5"}, ['spec.clusterIPs[0]: Invalid value: ["fd00:10:96::5"]: IPv6 is not configured on this cluster']),
        ("46", {"ipFamilies": [FOUR, SIX]}, [f'{POLICY}"SingleStack": {MULTIPLE} IP families are specified']),
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5"]}, [f'{POLICY}"SingleStack": {MULTIPLE} cluster IPs are specified']),
        # ValidateServiceClusterIPsRelatedFields
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "10.96.0.6"], "ipFamilyPolicy": PREFER}, [
            'spec.clusterIPs: Invalid value: ["10.96.0.5","10.96.0.6"]: may specify no more than one IP for each IP family',
        ]),
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5", "10.96.0.6"], "ipFamilyPolicy": PREFER}, [
            'spec.clusterIPs: Invalid value: ["10.96.0.5","fd00:10:96::5","10.96.0.6"]: may only hold up to 2 values',
            'spec.clusterIPs: Invalid value: ["10.96.0.5","fd00:10:96::5","10.96.0.6"]: may specify no more than one IP for each IP family',
        ]),
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5"], "ipFamilyPolicy": PREFER, "ipFamilies": [SIX, FOUR]}, [
            'spec.clusterIPs[0]: Invalid value: "10.96.0.5": expected an IPv6 value as indicated by `ipFamilies[0]`',
            'spec.clusterIPs[1]: Invalid value: "fd00:10:96::5": expected an IPv4 value as indicated by `ipFamilies[1]`',
        ]),
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "::ffff:10.96.0.6"], "ipFamilyPolicy": PREFER}, [
            'spec.clusterIPs[1]: Invalid value: "::ffff:10.96.0.6": must not be an IPv4-mapped IPv6 address',
        ]),
        # allocIPs
        ("46", {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:97::5"], "ipFamilyPolicy": PREFER}, [
            'spec.clusterIPs: Invalid value: ["10.96.0.5","fd00:10:97::5"]: failed to allocate IP fd00:10:97::5: the provided network does not match the current range',
        ]),
    ],
)  # fmt: skip
def test_what_a_new_service_may_not_ask_for(cluster: str, given: dict[str, Any], expected: list[str]) -> None:
    world = World(SETTINGS[cluster])
    assert causes(refused(world, lambda: world.service(**given), 422)) == expected


def test_families_are_judged_before_the_rest() -> None:
    """BeginCreate runs before validation: its errors come alone."""
    world = World(SETTINGS["4"])
    error = refused(world, lambda: world.service(ipFamilies=[SIX], ports=[], externalIPs=["127.0.0.1"]), 422)
    assert causes(error) == ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']


# updateClusterIPs: upgrade, downgrade, and what changes nothing; "TestUpdateDualStack" in storage_test.go
@pytest.mark.parametrize(
    ("before", "patch", "policy", "families", "addresses"),
    [
        ({}, {"ipFamilyPolicy": PREFER}, PREFER, [FOUR, SIX], 2),
        ({}, {"ipFamilyPolicy": REQUIRE}, REQUIRE, [FOUR, SIX], 2),
        ({"ipFamilies": [SIX]}, {"ipFamilyPolicy": REQUIRE}, REQUIRE, [SIX, FOUR], 2),
        ({}, {"ipFamilyPolicy": REQUIRE, "ipFamilies": [FOUR, SIX]}, REQUIRE, [FOUR, SIX], 2),
        ({"clusterIP": "10.96.0.5"}, {"ipFamilyPolicy": REQUIRE, "clusterIPs": ["10.96.0.5", "fd00:10:96::5"]}, REQUIRE, [FOUR, SIX], 2),
        ({"ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": SINGLE}, SINGLE, [FOUR], 1),
        ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": SINGLE}, SINGLE, [FOUR], 1),
        ({"ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": SINGLE, "ipFamilies": [FOUR]}, SINGLE, [FOUR], 1),
        ({"ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": PREFER}, PREFER, [FOUR, SIX], 2),
        ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": REQUIRE}, REQUIRE, [FOUR, SIX], 2),
        ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": None}, PREFER, [FOUR, SIX], 2),
        ({"ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": None, "ipFamilies": None, "clusterIP": None, "clusterIPs": None}, REQUIRE, [FOUR, SIX], 2),
        ({"ipFamilyPolicy": REQUIRE}, {"type": "NodePort"}, REQUIRE, [FOUR, SIX], 2),
        # headless Services change families freely
        ({**HEADLESS, **SELECTOR}, {"ipFamilyPolicy": REQUIRE}, REQUIRE, [FOUR, SIX], 0),
        ({**HEADLESS, **SELECTOR}, {"ipFamilies": [SIX]}, SINGLE, [SIX], 0),
        ({**HEADLESS, **SELECTOR, "ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": SINGLE}, SINGLE, [FOUR], 0),
    ],
)  # fmt: skip
def test_upgrade_and_downgrade(
    before: dict[str, Any], patch: dict[str, Any], policy: str, families: list[str], addresses: int
) -> None:
    world = World(SETTINGS["46"])
    old = world.service(**before).spec
    world.merge(SERVICES, "web", {"spec": patch})
    new = world.get(Service, "web").spec
    assert shape(new) == (policy, families, families[:addresses])
    assert new.cluster_ips[:1] == old.cluster_ips[:1]
    if len(new.cluster_ips) == len(old.cluster_ips):
        assert new.cluster_ips == old.cluster_ips
    assert set(world.held("clusterip")) == {each for each in new.cluster_ips if each != "None"}


RELEASE = "must be 'SingleStack' to release the secondary"


@pytest.mark.parametrize(
    ("before", "patch", "expected"),
    [
        ({"ipFamilyPolicy": REQUIRE, "clusterIP": "10.96.0.5"}, {"clusterIPs": ["10.96.0.5"]}, [f'{POLICY}"RequireDualStack": {RELEASE} cluster IP']),
        ({"ipFamilyPolicy": PREFER}, {"ipFamilies": [FOUR]}, [f'{POLICY}"PreferDualStack": {RELEASE} IP family']),
        # the second address was cut by the writer, the second family was not: both lists must say the same or nothing
        ({"clusterIP": "10.96.0.5"}, {"ipFamilies": [FOUR, SIX]}, [f'{POLICY}"SingleStack": {MULTIPLE} IP families are specified']),
        ({"clusterIP": "10.96.0.5"}, {"ipFamilies": [SIX]}, ['spec.clusterIPs[0]: Invalid value: "10.96.0.5": expected an IPv6 value as indicated by `ipFamilies[0]`']),
        # validateUpgradeDowngradeClusterIPs
        (
            {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5"], "ipFamilyPolicy": REQUIRE},
            {"clusterIPs": ["10.96.0.5", "fd00:10:96::6"]},
            ['spec.clusterIPs[1]: Invalid value: ["10.96.0.5","fd00:10:96::6"]: may not change once set'],
        ),
        (
            {"clusterIP": "10.96.0.5"},
            {"clusterIP": "10.96.0.6", "clusterIPs": ["10.96.0.6", "fd00:10:96::6"], "ipFamilyPolicy": REQUIRE},
            ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6","fd00:10:96::6"]: may not change once set'],
        ),
        (
            {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:10:96::5"], "ipFamilyPolicy": REQUIRE},
            {"clusterIP": "10.96.0.6", "clusterIPs": ["10.96.0.6"], "ipFamilyPolicy": SINGLE, "ipFamilies": [FOUR]},
            ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set'],
        ),
    ],
)  # fmt: skip
def test_changes_that_are_refused(before: dict[str, Any], patch: dict[str, Any], expected: list[str]) -> None:
    world = World(SETTINGS["46"])
    world.service(**before)
    assert causes(refused(world, lambda: world.merge(SERVICES, "web", {"spec": patch}), 422)) == expected


@pytest.mark.parametrize("old", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_an_external_name_gives_both_addresses_back(old: str) -> None:
    world = World(SETTINGS["46"])
    world.service(type=old, ipFamilyPolicy=REQUIRE)
    world.merge(SERVICES, "web", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    spec = world.get(Service, "web").spec
    assert (spec.cluster_ip, spec.cluster_ips, spec.ip_families, spec.ip_family_policy) == ("", (), (), None)
    assert dict(world.held("clusterip")) == {}
    world.merge(SERVICES, "web", {"spec": {"type": old, "ipFamilyPolicy": PREFER}})
    assert shape(world.get(Service, "web").spec) == (PREFER, [FOUR, SIX], [FOUR, SIX])


def test_a_preference_is_not_followed_when_the_cluster_changes() -> None:
    """isMatchingPreferDualStackClusterIPFields: only a change of the Service changes its families."""
    both = [Family.IPV4, Family.IPV6]
    one = ServiceSpec(
        type="ClusterIP", cluster_ip="10.96.0.5", cluster_ips=("10.96.0.5",), ip_families=(FOUR,), ip_family_policy=PREFER
    )
    assert settle(one, one, both).spec == one
    two = ServiceSpec(
        type="ClusterIP",
        cluster_ip="10.96.0.5",
        cluster_ips=("10.96.0.5", "fd00::5"),
        ip_families=(FOUR, SIX),
        ip_family_policy=PREFER,
    )
    assert settle(two, two, [Family.IPV4]).errors == ()
    required = ServiceSpec(
        type="ClusterIP", cluster_ip="10.96.0.5", cluster_ips=("10.96.0.5",), ip_families=(FOUR,), ip_family_policy=REQUIRE
    )
    assert settle(required, one, both).spec.ip_families == (FOUR, SIX)


def test_a_dual_stack_service_can_be_written_after_the_cluster_lost_a_family() -> None:
    """The Service prefers what it has; its second address is still its own, and is released with it."""
    world = World(SETTINGS["46"])
    second = world.service(ipFamilyPolicy=PREFER).spec.cluster_ips[1]
    smaller = World(SETTINGS["4"])
    world.registry._strategies = smaller.registry._strategies
    world.merge(SERVICES, "web", {"spec": {"selector": {"a": "b"}}})
    assert world.get(Service, "web").spec.cluster_ips[1] == second
    world.delete(SERVICES, "web")
    assert dict(world.held("clusterip")) == {}


def test_settling_what_is_settled_changes_nothing() -> None:
    world = World(SETTINGS["46"])
    wishes: list[dict[str, Any]] = [{}, {"ipFamilyPolicy": PREFER}, HEADLESS, {**HEADLESS, **SELECTOR}]
    for number, given in enumerate(wishes):
        spec = world.service(f"s{number}", **given).spec
        assert settle(spec, spec, [Family.IPV4, Family.IPV6]).spec == spec
