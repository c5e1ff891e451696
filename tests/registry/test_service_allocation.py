"""ClusterIPs and node ports are taken and released with their Service, and asked-for ones are judged in upstream's words."""

from __future__ import annotations

import pytest

from moorage.model.kinds import NAMESPACES, SERVICES
from moorage.model.service import Service
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World, causes, refused

IN_USE = "provided port is already allocated"
OUTSIDE = "provided port is not in the valid range. The range of valid ports is 30000-32767"


def test_what_is_allocated_is_held_until_the_end() -> None:
    world = World()
    service = world.service(type="NodePort")
    assert dict(world.held("clusterip")) == {service.spec.cluster_ip: "default/web"}
    assert dict(world.held("nodeport")) == {str(service.spec.ports[0].node_port): "default/web"}
    world.delete(SERVICES, "web")
    assert (dict(world.held("clusterip")), dict(world.held("nodeport"))) == ({}, {})


def test_dynamic_choices_avoid_the_static_bands() -> None:
    """KEP-3070: 256 addresses of a /16; KEP-3668: 86 ports of 2768."""
    world = World()
    for number in range(50):
        spec = world.service(f"s{number}", type="NodePort").spec
        third, fourth = map(int, spec.cluster_ip.split(".")[2:])
        assert third * 256 + fourth > 256
        assert spec.ports[0].node_port >= 30086


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.96.0.10", "provided IP is already allocated"),
        ("10.97.0.10", "the provided network does not match the current range"),
        ("10.96.0.0", "the provided network does not match the current range"),
    ],
)
def test_an_address_that_cannot_be_had(address: str, why: str) -> None:
    world = World()
    world.service("dns", clusterIP="10.96.0.10")
    error = refused(world, lambda: world.service(clusterIP=address), 422)
    assert causes(error) == [f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: {why}']


@pytest.mark.parametrize(("port", "why"), [(30080, IN_USE), (80, OUTSIDE), (32768, OUTSIDE)])
def test_a_node_port_that_cannot_be_had(port: int, why: str) -> None:
    world = World()
    world.service("other", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    error = refused(world, lambda: world.service(type="NodePort", ports=[{"port": 80, "nodePort": port}]), 422)
    assert causes(error) == [f"spec.ports[0].nodePort: Invalid value: {port}: {why}"]


def test_every_wish_that_fails_is_named() -> None:
    world = World()
    ports = [{"name": "a", "port": 1, "nodePort": 1}, {"name": "b", "port": 2, "nodePort": 2}]
    error = refused(world, lambda: world.service(type="NodePort", clusterIP="10.1.1.1", ports=ports), 422)
    assert [each["field"] for each in error.details["causes"]] == [
        "spec.clusterIPs", "spec.ports[0].nodePort", "spec.ports[1].nodePort",
    ]  # fmt: skip


TCP_UDP = [{"name": "tcp", "port": 53}, {"name": "udp", "port": 53, "protocol": "UDP"}]


def test_tcp_and_udp_of_one_port_share_a_node_port() -> None:
    """initNodePorts: the node port is chosen for the number of the Service port."""
    world = World()
    first, second = world.service(type="NodePort", ports=TCP_UDP).spec.ports
    assert first.node_port == second.node_port != 0
    assert len(world.held("nodeport")) == 1
    asked = [TCP_UDP[0], {**TCP_UDP[1], "nodePort": 30053}]
    first, second = world.service("asked", type="NodePort", ports=asked).spec.ports
    assert (first.node_port, second.node_port) == (30053, 30053)


def test_different_ports_share_a_node_port_on_update_only() -> None:
    """initNodePorts allocates it a second time and fails, updateNodePorts looks whether this update has it already."""
    world = World()
    ports = [{"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "protocol": "UDP", "nodePort": 30001}]
    error = refused(world, lambda: world.service(type="NodePort", ports=ports), 422)
    assert causes(error) == [f"spec.ports[1].nodePort: Invalid value: 30001: {IN_USE}"]
    world.service(type="NodePort")
    world.merge(SERVICES, "web", {"spec": {"ports": ports}})
    assert dict(world.held("nodeport")) == {"30001": "default/web"}


def test_a_node_port_of_another_service_cannot_be_updated_in() -> None:
    world = World()
    world.service("other", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    world.service(type="NodePort")
    error = refused(world, lambda: world.merge(SERVICES, "web", {"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}), 422)
    assert causes(error) == [f"spec.ports[0].nodePort: Invalid value: 30080: {IN_USE}"]


def test_a_load_balancer_may_do_without_node_ports() -> None:
    """ServiceLBNodePortControl: none are chosen, those asked for are respected, those that were chosen stay."""
    world = World()
    service = world.service(type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert service.spec.ports[0].node_port == 0
    asked = world.service(
        "asked", type="LoadBalancer", allocateLoadBalancerNodePorts=False, ports=[{"port": 80, "nodePort": 30080}]
    )
    assert asked.spec.ports[0].node_port == 30080
    world.merge(SERVICES, "web", {"spec": {"allocateLoadBalancerNodePorts": True}})
    assert world.get(Service, "web").spec.ports[0].node_port != 0
    world.merge(SERVICES, "web", {"spec": {"allocateLoadBalancerNodePorts": False}})
    assert world.get(Service, "web").spec.ports[0].node_port != 0


def test_local_traffic_of_a_load_balancer_gets_a_health_check_port() -> None:
    """allocHealthCheckNodePort, updateHealthCheckNodePort."""
    world = World()
    service = world.service(type="LoadBalancer", externalTrafficPolicy="Local")
    port = service.spec.health_check_node_port
    assert set(world.held("nodeport")) == {str(port), str(service.spec.ports[0].node_port)}
    world.merge(SERVICES, "web", {"spec": {"externalTrafficPolicy": "Cluster"}})
    assert world.get(Service, "web").spec.health_check_node_port == 0
    assert str(port) not in world.held("nodeport")
    world.service("asked", type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30500)
    assert world.held("nodeport")["30500"] == "default/asked"
    patch = {"spec": {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30500}}
    error = refused(world, lambda: world.merge(SERVICES, "web", patch), 500)
    assert error.message == f"Internal error occurred: failed to allocate requested HealthCheck NodePort 30500: {IN_USE}"


def test_a_full_range_is_an_internal_error() -> None:
    world = World(RegistrySettings(service_cidr="10.96.0.0/30", node_port_range=(30000, 30000)))
    world.service("a", type="NodePort")
    error = refused(world, lambda: world.service("b", type="NodePort"), 500)
    assert (error.reason, error.message) == (
        "InternalError",
        "Internal error occurred: failed to allocate a nodePort: range is full",
    )
    world.service("b")
    error = refused(world, lambda: world.service("c"), 500)
    assert error.message == 'Internal error occurred: failed to allocate a serviceIP for Service "c": range is full'


def test_nothing_stays_held_after_a_dry_run_or_a_deleted_namespace() -> None:
    world = World()
    world.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}, dry_run=True)
    assert dict(world.held("clusterip")) == {}
    world.create(NAMESPACES, {"metadata": {"name": "team"}})
    world.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}, "team")
    assert len(world.held("clusterip")) == 1
    world.delete(NAMESPACES, "team")
    assert dict(world.held("clusterip")) == {}


def test_one_address_has_one_text() -> None:
    """An IPv6 address can be written in many ways; it is held in its canonical one."""
    world = World(RegistrySettings(service_cidr="fd00:10:96::/112"))
    world.service("a", clusterIP="FD00:10:96:0::5")
    assert dict(world.held("clusterip")) == {"fd00:10:96::5": "default/a"}
    error = refused(world, lambda: world.service("b", clusterIP="fd00:10:96::5"), 422)
    assert "provided IP is already allocated" in error.message
    world.delete(SERVICES, "a")
    assert dict(world.held("clusterip")) == {}
