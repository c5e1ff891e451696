"""Service: defaults, and what updates and changes of type keep, infer and wipe."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.model.kinds import SERVICES
from moorage.model.service import Service
from tests.registry.world import World


def spec_of(world: World, name: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(world.get(Service, name).spec))
    return found


def test_defaults_of_a_cluster_ip() -> None:
    """SetDefaults_Service, initIPFamilyFields."""
    world = World()
    service = world.service(selector={"app": "a"})
    assert spec_of(world) == {
        "type": "ClusterIP",
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "selector": {"app": "a"},
        "clusterIP": service.spec.cluster_ip,
        "clusterIPs": [service.spec.cluster_ip],
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "NodePort"}, {"externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}),
        ({"type": "LoadBalancer"}, {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        ({"externalIPs": ["198.18.0.7"]}, {"externalTrafficPolicy": "Cluster"}),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
        ({"clusterIP": "10.96.0.5"}, {"clusterIPs": ["10.96.0.5"]}),
        ({"clusterIP": "None", "selector": {"a": "b"}}, {"clusterIPs": ["None"], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}),
        ({"clusterIP": "None"}, {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}),  # headless, no selector
        ({"ipFamilyPolicy": "PreferDualStack"}, {"ipFamilies": ["IPv4"]}),  # one family is configured
    ],
)  # fmt: skip
def test_defaults_that_depend(given: dict[str, Any], expected: dict[str, Any]) -> None:
    world = World()
    world.service(**given)
    assert {name: value for name, value in spec_of(world).items() if name in expected} == expected


def test_an_external_name_has_no_address_and_no_defaults_for_one() -> None:
    world = World()
    world.create(SERVICES, {"metadata": {"name": "db"}, "spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    assert spec_of(world, "db") == {"type": "ExternalName", "externalName": "db.example.com", "sessionAffinity": "None"}


def test_a_creator_cannot_set_a_status() -> None:
    world = World()
    status = {"loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]}}
    world.create(
        SERVICES, {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}, "status": status}
    )
    assert world.get(Service, "web").status.load_balancer.ingress == ()


def test_the_same_manifest_again_changes_nothing() -> None:
    """patchAllocatedValues: what was allocated and is left out stays."""
    world = World()
    manifest = {"spec": {"type": "LoadBalancer", "ports": [{"port": 80, "name": "http"}], "selector": {"app": "a"}}}
    world.create(SERVICES, {"metadata": {"name": "web"}, **manifest})
    before, revision = world.get(Service, "web"), world.store.revision
    world.update(SERVICES, "web", manifest)
    assert world.get(Service, "web") == before
    assert world.store.revision == revision


def test_node_ports_stay_by_port_name() -> None:
    world = World()
    ports = [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]
    world.service(type="NodePort", ports=ports)
    world.update(
        SERVICES, "web", {"spec": {"type": "NodePort", "ports": [{"name": "b", "port": 8081}, {"name": "c", "port": 82}]}}
    )
    first, second = world.get(Service, "web").spec.ports
    assert (first.name, first.node_port) == ("b", 30002)
    assert second.node_port not in (0, 30001, 30002)
    assert set(world.held("nodeport")) == {"30002", str(second.node_port)}


def test_a_port_that_was_given_away_is_not_kept_for_another() -> None:
    """patchAllocatedValues: a value that the new object uses elsewhere is not patched in twice."""
    world = World()
    ports = [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]
    world.service(type="NodePort", ports=ports)
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30001}]
    world.update(SERVICES, "web", {"spec": {"type": "NodePort", "ports": ports}})
    first, second = world.get(Service, "web").spec.ports
    assert second.node_port == 30001
    assert first.node_port not in (0, 30001)


KEPT_ADDRESS = [
    ("ClusterIP", "NodePort"),
    ("ClusterIP", "LoadBalancer"),
    ("NodePort", "LoadBalancer"),
    ("NodePort", "ClusterIP"),
    ("LoadBalancer", "NodePort"),
    ("LoadBalancer", "ClusterIP"),
]


@pytest.mark.parametrize(("old", "new"), KEPT_ADDRESS)
def test_a_change_of_type_keeps_the_address(old: str, new: str) -> None:
    world = World()
    before = world.service(type=old)
    world.merge(SERVICES, "web", {"spec": {"type": new}})
    after = world.get(Service, "web")
    assert after.spec.cluster_ips == before.spec.cluster_ips
    has_port = new != "ClusterIP"
    assert bool(after.spec.ports[0].node_port) is has_port
    assert len(world.held("nodeport")) == has_port
    if old != "ClusterIP" and has_port:
        assert after.spec.ports[0].node_port == before.spec.ports[0].node_port
    assert (after.spec.external_traffic_policy == "Cluster") is has_port
    assert (after.spec.allocate_load_balancer_node_ports is True) is (new == "LoadBalancer")


@pytest.mark.parametrize("old", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_an_external_name_gives_everything_back_and_takes_anew(old: str) -> None:
    world = World()
    world.service(type=old)
    world.merge(SERVICES, "web", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    spec = world.get(Service, "web").spec
    assert (spec.cluster_ip, spec.cluster_ips, spec.ip_families, spec.ip_family_policy) == ("", (), (), None)
    assert spec.ports[0].node_port == 0
    assert (dict(world.held("clusterip")), dict(world.held("nodeport"))) == ({}, {})
    world.merge(SERVICES, "web", {"spec": {"type": old, "externalName": None}})
    spec = world.get(Service, "web").spec
    assert dict(world.held("clusterip")) == {spec.cluster_ip: "default/web"}
    assert spec.ip_families == ("IPv4",)


def test_load_balancer_fields_and_status_go_with_the_type() -> None:
    """dropTypeDependentFields."""
    world = World()
    world.service(type="LoadBalancer", loadBalancerClass="a.example/b", externalTrafficPolicy="Local")
    world.merge(SERVICES, "web", {"status": {"loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]}}}, "status")
    assert world.get(Service, "web").status.load_balancer.ingress[0].ip_mode == "VIP"  # SetDefaults_Service, KEP-1860
    world.merge(SERVICES, "web", {"spec": {"type": "ClusterIP"}})
    service = world.get(Service, "web")
    assert service.spec.load_balancer_class is None
    assert service.spec.external_traffic_policy == ""
    assert service.spec.health_check_node_port == 0
    assert service.status.load_balancer.ingress == ()
    assert dict(world.held("nodeport")) == {}


def test_a_status_write_keeps_the_spec_and_a_spec_write_the_status() -> None:
    world = World()
    before = world.service(type="LoadBalancer")
    tree = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"type": "ClusterIP"},
        "status": {"loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]}},
    }
    world.update(SERVICES, "web", tree, "status")
    after = world.get(Service, "web")
    assert after.spec == before.spec
    assert after.status.load_balancer.ingress[0].ip == "198.18.100.1"
    world.merge(SERVICES, "web", {"spec": {"selector": {"x": "y"}}, "status": {"loadBalancer": {}}})
    assert world.get(Service, "web").status == after.status


def test_the_finalizer_of_a_load_balancer_comes_and_goes_by_the_status() -> None:
    """serviceStatusStrategy keeps the spec only: whoever may write the status may guard the Service with a finalizer."""
    world = World()
    world.service(type="LoadBalancer")
    world.merge(SERVICES, "web", {"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}}, "status")
    assert not world.delete(SERVICES, "web").deleted
    assert len(world.held("clusterip")) == 1
    assert world.merge(SERVICES, "web", {"metadata": {"finalizers": None}}, "status").deleted
    assert (dict(world.held("clusterip")), dict(world.held("nodeport"))) == ({}, {})
