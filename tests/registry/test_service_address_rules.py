"""Addresses and families of a Service that do not fit together. Each row names the upstream rule."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import SERVICES
from tests.registry.world import World, causes, refused

ONE = [{"port": 80}]

ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    # ValidateServiceClusterIPsRelatedFields
    (
        "clusterIPs without clusterIP",
        {"clusterIPs": ["10.96.0.5"]},
        ['spec.clusterIPs: Invalid value: ["10.96.0.5"]: must be empty when `clusterIP` is not specified'],
    ),
    (
        "first value differs",
        {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.6"]},
        ['spec.clusterIPs: Invalid value: ["10.96.0.6"]: first value must match `clusterIP`'],
    ),
    (
        "None and an address",
        {"clusterIP": "None", "clusterIPs": ["None", "10.96.0.6"]},
        ['spec.clusterIPs: Invalid value: ["None","10.96.0.6"]: \'None\' must be the first and only value'],
    ),
    (
        "no address",
        {"clusterIP": "none"},
        ['spec.clusterIPs[0]: Invalid value: "none": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
    (
        "leading zeros",
        {"clusterIP": "10.096.0.1"},
        ['spec.clusterIPs[0]: Invalid value: "10.096.0.1": must not have leading 0s'],
    ),
    (
        "bad families",
        {"ipFamilies": ["IPv5"], "ipFamilyPolicy": "Both"},
        [
            'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
            'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
        ],
    ),
    (
        "address of another family",
        {"clusterIP": "fd00::1", "ipFamilies": ["IPv4"]},
        ['spec.clusterIPs[0]: Invalid value: "fd00::1": expected an IPv4 value as indicated by `ipFamilies[0]`'],
    ),
    # initIPFamilyFields
    (
        "family repeated",
        {"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "PreferDualStack"},
        ['spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    ),
    (
        "dual stack on a single-stack cluster",
        {"ipFamilyPolicy": "RequireDualStack"},
        ['spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'],
    ),
    (
        "a family that is not configured",
        {"ipFamilies": ["IPv6"]},
        ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
    ),
    (
        "two families, one stack",
        {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"},
        [
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple "
            "IP families are specified",
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(spec: dict[str, Any], expected: list[str]) -> None:
    world = World()
    body = {"metadata": {"name": "web"}, "spec": {"ports": ONE, **spec}}
    assert causes(refused(world, lambda: world.create(SERVICES, body), 422)) == expected


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        # validateUpgradeDowngradeClusterIPs
        ({"clusterIP": "10.96.0.5"}, {"clusterIP": "10.96.0.6"}, ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set']),
        ({"clusterIP": "10.96.0.5"}, {"clusterIP": "None"}, ['spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set']),
        ({"clusterIP": "None", "selector": {"a": "b"}}, {"clusterIP": "10.96.0.6"}, ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set']),
        # validateLoadBalancerClassField
        (
            {"type": "LoadBalancer", "loadBalancerClass": "a"}, {"loadBalancerClass": "b"},
            ['spec.loadBalancerClass: Invalid value: "b": may not change once set'],
        ),
        # validateServiceExternalTrafficFieldsUpdate
        (
            {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30500}, {"healthCheckNodePort": 30501},
            ["spec.healthCheckNodePort: Forbidden: field is immutable"],
        ),
        # dropTypeDependentFields keeps what was changed together with the type, and it is refused
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
            {"type": "ClusterIP", "externalTrafficPolicy": None, "ports": [{"port": 80, "nodePort": 30081}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"clusterIP": "10.96.0.5"}, {"type": "ExternalName", "externalName": "a.example", "clusterIP": "10.96.0.6"},
            ["spec.clusterIPs: Forbidden: may not be set for ExternalName services"],
        ),
    ],
)  # fmt: skip
def test_what_may_not_change(before: dict[str, Any], change: dict[str, Any], expected: list[str]) -> None:
    world = World()
    world.service(**before)
    assert causes(refused(world, lambda: world.merge(SERVICES, "web", {"spec": change}), 422)) == expected
