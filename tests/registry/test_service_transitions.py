"""From every type to every other: what is kept, what is wiped, what is released, what is refused.

Source: `dropTypeDependentFields` in `pkg/registry/core/service/strategy.go`; `patchAllocatedValues` in its `storage/storage.go`;
`updateNodePorts`, `updateHealthCheckNodePort` and `updateClusterIPs` in `storage/alloc.go`.
"""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.model.kinds import SERVICES
from moorage.model.service import Service
from tests.registry.world import World, causes, refused

CLUSTER, NODE, BALANCER, NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
NAMED = {"externalName": "db.example.com"}

FULL: dict[str, dict[str, Any]] = {
    CLUSTER: {"clusterIP": "10.96.0.5"},
    NODE: {"clusterIP": "10.96.0.5", "ports": [{"port": 80, "nodePort": 30080}]},
    BALANCER: {
        "clusterIP": "10.96.0.5",
        "ports": [{"port": 80, "nodePort": 30080}],
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 30500,
        "loadBalancerClass": "example.com/a",
        "loadBalancerIP": "198.18.100.7",
    },
    NAME: {**NAMED, "ports": [{"port": 80}]},
}  # fmt: skip
"""A Service of each type with a value in each field that belongs to it."""

COMMON: dict[str, Any] = {
    "selector": {"app": "a"},
    "sessionAffinity": "ClientIP",
    "publishNotReadyAddresses": True,
    "trafficDistribution": "PreferSameZone",
}
"""Fields that every type keeps."""

ADDRESS = {
    "clusterIP": "10.96.0.5",
    "clusterIPs": ["10.96.0.5"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "internalTrafficPolicy": "Cluster",
}
WITH_PORT = {**ADDRESS, "nodePort": 30080}
BALANCED = {"allocateLoadBalancerNodePorts": True, "loadBalancerIP": "198.18.100.7"}


def spec_of(world: World) -> dict[str, Any]:
    """The spec without the common fields, the node port in place of the ports."""
    spec: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(world.get(Service, "web").spec))
    [port] = spec.pop("ports")
    affinity = spec.pop("sessionAffinityConfig")
    assert affinity == {"clientIP": {"timeoutSeconds": 10800}}
    assert {key: spec.pop(key) for key in COMMON} == COMMON
    return {**spec, "nodePort": port.get("nodePort", 0)}


@pytest.mark.parametrize(
    ("old", "new", "patch", "expected"),
    [
        (CLUSTER, NODE, {}, {**ADDRESS, "nodePort": "new", "externalTrafficPolicy": "Cluster"}),
        (CLUSTER, BALANCER, {}, {**ADDRESS, "nodePort": "new", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        (CLUSTER, BALANCER, {"externalTrafficPolicy": "Local"}, {**ADDRESS, "nodePort": "new", "externalTrafficPolicy": "Local", "allocateLoadBalancerNodePorts": True, "healthCheckNodePort": "new"}),
        (CLUSTER, BALANCER, {"allocateLoadBalancerNodePorts": False}, {**ADDRESS, "nodePort": 0, "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": False}),
        (CLUSTER, NAME, NAMED, {**NAMED, "nodePort": 0}),
        (NODE, CLUSTER, {}, {**ADDRESS, "nodePort": 0}),
        (NODE, BALANCER, {}, {**WITH_PORT, "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        (NODE, BALANCER, {"allocateLoadBalancerNodePorts": False}, {**WITH_PORT, "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": False}),
        (NODE, NAME, NAMED, {**NAMED, "nodePort": 0}),
        (BALANCER, NODE, {}, {**WITH_PORT, "externalTrafficPolicy": "Local", "loadBalancerIP": "198.18.100.7"}),
        (BALANCER, CLUSTER, {}, {**ADDRESS, "nodePort": 0, "loadBalancerIP": "198.18.100.7"}),
        (BALANCER, CLUSTER, {"externalIPs": ["198.18.0.7"]}, {**ADDRESS, "nodePort": 0, "loadBalancerIP": "198.18.100.7", "externalIPs": ["198.18.0.7"], "externalTrafficPolicy": "Local"}),
        (BALANCER, NAME, NAMED, {**NAMED, "nodePort": 0, "loadBalancerIP": "198.18.100.7"}),
        (NAME, CLUSTER, {}, {**NAMED, **ADDRESS, "nodePort": 0, "clusterIP": "new", "clusterIPs": "new"}),
        (NAME, NODE, {"clusterIP": "10.96.0.5"}, {**NAMED, **ADDRESS, "nodePort": "new", "externalTrafficPolicy": "Cluster"}),
        (NAME, BALANCER, {"clusterIP": "10.96.0.5", "externalName": None}, {**ADDRESS, "nodePort": "new", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
    ],
)  # fmt: skip
def test_what_a_change_of_type_leaves(old: str, new: str, patch: dict[str, Any], expected: dict[str, Any]) -> None:
    world = World()
    world.service(type=old, **FULL[old], **COMMON)
    world.merge(SERVICES, "web", {"spec": {"type": new, **patch}})
    found = spec_of(world)
    drawn = {key for key, value in expected.items() if value == "new"}
    assert all(found[key] for key in drawn)
    assert {**found, **dict.fromkeys(drawn, "new")} == {"type": new, **expected}
    after = world.get(Service, "web")
    assert after.status.load_balancer.ingress == ()
    assert dict(world.held("clusterip")) == dict.fromkeys(after.spec.cluster_ips, "default/web")
    ports = {str(found[key]) for key in ("nodePort", "healthCheckNodePort") if found.get(key)}
    assert set(world.held("nodeport")) == ports


@pytest.mark.parametrize("type_", [NODE, CLUSTER, NAME])
def test_the_addresses_of_a_load_balancer_go_with_its_type(type_: str) -> None:
    world = World()
    world.service(type=BALANCER)
    status = {
        "loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]},
        "conditions": [{"type": "a.example/Seen", "status": "True"}],
    }
    world.merge(SERVICES, "web", {"status": status}, "status")
    world.merge(SERVICES, "web", {"spec": {"type": type_, **(NAMED if type_ == NAME else {})}})
    after = world.get(Service, "web").status
    assert (after.load_balancer.ingress, [each.type for each in after.conditions]) == ((), ["a.example/Seen"])


ONLY = "may only be used when `type` is 'LoadBalancer'"


@pytest.mark.parametrize(
    ("old", "patch", "expected"),
    [
        # a field that was changed in the same request is kept, and refused
        (BALANCER, {"type": NODE, "externalTrafficPolicy": "Cluster", "healthCheckNodePort": 30501}, [
            "spec.healthCheckNodePort: Invalid value: 30501: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ]),
        (BALANCER, {"type": NODE, "loadBalancerClass": "example.com/b"}, [f"spec.loadBalancerClass: Forbidden: {ONLY}"]),
        (BALANCER, {"type": NODE, "allocateLoadBalancerNodePorts": False}, [f"spec.allocateLoadBalancerNodePorts: Forbidden: {ONLY}"]),
        (BALANCER, {"type": CLUSTER, "externalTrafficPolicy": "Cluster"}, ['spec.externalTrafficPolicy: Invalid value: "Cluster": may only be set for externally-accessible services']),
        (NODE, {"type": CLUSTER, "ports": [{"port": 80, "nodePort": 30081}]}, ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
        (NODE, {"type": NAME, **NAMED, "ipFamilyPolicy": "PreferDualStack"}, ["spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"]),
        (NODE, {"type": NAME}, ["spec.externalName: Required value"]),
        # source ranges are never wiped
        (BALANCER, {"type": NODE, "loadBalancerSourceRanges": ["10.0.0.0/8"]}, [f"spec.LoadBalancerSourceRanges: Forbidden: {ONLY}"]),
        # a class may be set when the type is, and not later
        (BALANCER, {"loadBalancerClass": None}, ["spec.loadBalancerClass: Invalid value: null: may not change once set"]),
        (BALANCER, {"loadBalancerClass": "example.com/b"}, ['spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set']),
        (BALANCER, {"healthCheckNodePort": 30501}, ["spec.healthCheckNodePort: Forbidden: field is immutable"]),
        (CLUSTER, {"clusterIP": "None"}, ['spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set']),
    ],
)  # fmt: skip
def test_what_a_change_may_not_do(old: str, patch: dict[str, Any], expected: list[str]) -> None:
    world = World()
    world.service(type=old, **FULL[old])
    assert causes(refused(world, lambda: world.merge(SERVICES, "web", {"spec": patch}), 422)) == expected


def test_a_class_can_be_set_on_a_change_to_load_balancer_only() -> None:
    world = World()
    world.service()
    world.merge(SERVICES, "web", {"spec": {"type": BALANCER, "loadBalancerClass": "example.com/a"}})
    assert world.get(Service, "web").spec.load_balancer_class == "example.com/a"
    world.service("plain", type=BALANCER)
    error = refused(world, lambda: world.merge(SERVICES, "plain", {"spec": {"loadBalancerClass": "example.com/a"}}), 422)
    assert causes(error) == ['spec.loadBalancerClass: Invalid value: "example.com/a": may not change once set']


def test_node_ports_that_are_not_wanted_go_when_they_are_left_out() -> None:
    """KEP-1864: with allocateLoadBalancerNodePorts false a manifest without node ports releases them; a patch keeps them."""
    world = World()
    world.service(type=BALANCER, ports=[{"port": 80, "nodePort": 30080}])
    world.merge(SERVICES, "web", {"spec": {"allocateLoadBalancerNodePorts": False}})
    assert set(world.held("nodeport")) == {"30080"}
    world.update(SERVICES, "web", {"spec": {"type": BALANCER, "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}})
    assert world.get(Service, "web").spec.ports[0].node_port == 0
    assert dict(world.held("nodeport")) == {}
    world.update(SERVICES, "web", {"spec": {"type": BALANCER, "ports": [{"port": 80}]}})
    assert world.get(Service, "web").spec.allocate_load_balancer_node_ports is True
    assert len(world.held("nodeport")) == 1


def test_an_external_name_never_shows_an_internal_policy() -> None:
    """defaultOnReadInternalTrafficPolicy."""
    world = World()
    world.service(type=NAME, **NAMED, internalTrafficPolicy="Local")
    assert world.get(Service, "web").spec.internal_traffic_policy is None


ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
MODE, HINTS = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"


@pytest.mark.parametrize(
    ("type_", "annotations", "expected"),
    [
        (BALANCER, {ANNOTATION: " 10.0.0.0/8, 192.168.0.0/16 "}, []),
        (BALANCER, {ANNOTATION: " "}, []),
        (BALANCER, {ANNOTATION: "10.0.0.0/8,x"}, [f'metadata.annotations[{ANNOTATION}]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']),
        (CLUSTER, {ANNOTATION: "10.0.0.0/8"}, [f"metadata.annotations[{ANNOTATION}]: Forbidden: {ONLY}"]),
        (CLUSTER, {MODE: "Auto", HINTS: "Auto"}, []),
        (CLUSTER, {MODE: "Auto", HINTS: "Disabled"}, [f'metadata.annotations[{MODE}]: Invalid value: "Auto": must match annotations[{HINTS}] when both are specified']),
    ],
)  # fmt: skip
def test_annotations(type_: str, annotations: dict[str, str], expected: list[str]) -> None:
    world = World()
    tree = {"metadata": {"name": "web", "annotations": annotations}, "spec": {"type": type_, "ports": [{"port": 80}]}}
    if expected:
        assert causes(refused(world, lambda: world.create(SERVICES, tree), 422)) == expected
    else:
        world.create(SERVICES, tree)


def test_old_values_are_not_judged_again() -> None:
    """IsValidIPForLegacyField, IsValidCIDRForLegacyField: what was accepted by an older server may stay."""
    world = World()
    world.service(type=BALANCER, externalIPs=["198.18.0.7"], loadBalancerSourceRanges=["10.0.0.0/8"])
    spec = {"external_ips": ("198.018.0.7",), "load_balancer_source_ranges": ("10.0.0.1/8",)}
    now = world.get(Service, "web")
    before = msgspec.structs.replace(now, spec=msgspec.structs.replace(now.spec, **spec))
    judge = world.registry._strategies["services"].judge_update
    assert judge(before, before) == []
    changed = msgspec.structs.replace(before, spec=msgspec.structs.replace(before.spec, external_ips=("198.018.0.8",)))
    assert [str(each) for each in judge(before, changed)] == [
        'spec.externalIPs[0]: Invalid value: "198.018.0.8": must not have leading 0s'
    ]
