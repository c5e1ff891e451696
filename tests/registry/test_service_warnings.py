"""What a writer is told though the Service is accepted: `pkg/api/service/warnings.go` and its test."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import SERVICES
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World

HINTS = "service.kubernetes.io/topology-aware-hints"
EXTERNAL = "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
DUAL = RegistrySettings(service_cidr="10.96.0.0/16,fd00:10:96::/112")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"externalIPs": ["198.18.0.7"]}, [EXTERNAL]),
        ({"clusterIP": "None", "externalIPs": ["198.18.0.7"]}, ["spec.externalIPs is ignored for headless services"]),
        ({"clusterIP": "None", "loadBalancerIP": "198.18.0.7"}, ["spec.loadBalancerIP is ignored for headless services"]),
        ({"clusterIP": "None", "sessionAffinity": "ClientIP"}, ["spec.SessionAffinity is ignored for headless services"]),
        ({"clusterIP": "None"}, []),
        (
            {"type": "ExternalName", "externalName": "a.example", "externalIPs": ["198.18.0.7"]},
            ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
        ),
        ({"externalName": "a.example"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
        (
            {"trafficDistribution": "PreferClose"},
            ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
        ),
        (
            {"clusterIP": "FD00:10:96::5"},
            ['spec.clusterIPs[0]: IPv6 address "FD00:10:96::5" should be in RFC 5952 canonical format ("fd00:10:96::5")'],
        ),
        (
            {"externalIPs": ["2001:db8:0::1"]},
            [
                'spec.externalIPs[0]: IPv6 address "2001:db8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")',
                EXTERNAL,
            ],
        ),
        (
            {"type": "LoadBalancer", "loadBalancerIP": "010.0.0.1"},
            ['spec.loadBalancerIP: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"'],
        ),
    ],
)
def test_on_the_spec(spec: dict[str, Any], expected: list[str]) -> None:
    world = World(DUAL)
    outcome = world.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}})
    assert list(outcome.warnings) == expected


def test_on_source_ranges_that_were_accepted_before() -> None:
    """GetWarningsForCIDR: strict validation keeps new ones out, an old one is warned of on every write."""
    world = World()
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerSourceRanges": ["2001:DB8::/64"]}
    outcome = world.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    told = 'spec.loadBalancerSourceRanges[0]: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format'
    assert f'{told} ("2001:db8::/64")' in outcome.warnings


def test_on_an_annotation() -> None:
    world = World()
    tree = {"metadata": {"name": "web", "annotations": {HINTS: "Auto"}}, "spec": {"ports": [{"port": 80}]}}
    told = f"annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
    assert world.create(SERVICES, tree).warnings == (told,)


def test_on_port_ranges_that_nobody_can_use() -> None:
    """Moorage's own: what the forwarding table would leave out is said to whoever writes it."""
    tree = {"metadata": {"name": "web", "annotations": {"moorage.dev/port-ranges": "90-80"}}, "spec": {"ports": [{"port": 80}]}}
    (told,) = World().create(SERVICES, tree).warnings
    assert (
        told == 'metadata.annotations[moorage.dev/port-ranges]: "90-80" does not go from a lower to a higher port below 65536'
    )


def test_on_a_status() -> None:
    """serviceStatusStrategy.WarningsOnUpdate."""
    world = World()
    world.service(type="LoadBalancer")
    outcome = world.merge(SERVICES, "web", {"status": {"loadBalancer": {"ingress": [{"ip": "2001:DB8::1"}]}}}, "status")
    assert outcome.warnings == (
        'status.loadBalancer.ingress[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    )
