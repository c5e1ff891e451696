from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from moorage.control.endpoints import can_be_endpoint, endpoint, families, is_headless, resolved_ports
from moorage.model.meta import ObjectReference
from moorage.model.net import Family
from moorage.model.pods import ContainerPort, PodIP
from moorage.model.service import ServicePort
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort
from tests.control.things import container, node, pod, service


@pytest.mark.parametrize(
    ("ready", "terminating", "publish", "expected"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions(ready: bool, terminating: bool, publish: bool, expected: tuple[bool, bool, bool]) -> None:
    made = endpoint(
        pod("a", "10.244.1.2", ready=ready, terminating=terminating),
        node("node-1"),
        service(publish_not_ready_addresses=publish),
        Family.IPV4,
    )
    assert made is not None
    assert (made.conditions.ready, made.conditions.serving, made.conditions.terminating) == expected


def test_a_whole_endpoint() -> None:
    one = pod("db-0", "10.244.1.2", hostname="db-0", subdomain="web")
    one = replace(one, metadata=replace(one.metadata, uid="u1"))
    assert endpoint(one, node("node-1", zone="east"), service(), Family.IPV4) == Endpoint(
        addresses=("10.244.1.2",),
        conditions=EndpointConditions(ready=True, serving=True, terminating=False),
        hostname="db-0",
        target_ref=ObjectReference(kind="Pod", namespace="default", name="db-0", uid="u1"),
        node_name="node-1",
        zone="east",
    )


def test_a_hostname_counts_where_the_subdomain_is_the_service() -> None:
    other = endpoint(pod("a", "10.244.1.2", hostname="a", subdomain="db"), node("node-1"), service(), Family.IPV4)
    assert other is not None
    assert other.hostname is None


def test_families_of_pods() -> None:
    both = pod("a", "10.244.1.2")
    both = replace(both, status=replace(both.status, pod_ips=(PodIP(ip="10.244.1.2"), PodIP(ip="FD00::0:7"))))
    made = [endpoint(both, None, service(), family) for family in Family]
    assert [each.addresses if each else None for each in made] == [("10.244.1.2",), ("fd00::7",)]
    assert endpoint(pod("b"), None, service(), Family.IPV4) is None
    assert endpoint(pod("b", "10.244.1.2"), None, service(), Family.IPV6) is None


def test_families_of_services() -> None:
    assert families(service(ip_families=("IPv6", "IPv4"))) == (Family.IPV4, Family.IPV6)
    assert families(service(ip_families=(), cluster_ip="fd00::1")) == (Family.IPV6,)
    assert families(service(ip_families=(), cluster_ip="None")) == (Family.IPV4, Family.IPV6)


def test_who_can_be_an_endpoint() -> None:
    running = pod("a", "10.244.1.2")
    assert can_be_endpoint(running, node("node-1"), service())
    assert not can_be_endpoint(running, None, service()), "its Node is gone"
    assert can_be_endpoint(running, None, service(publish_not_ready_addresses=True))
    for phase in ("Succeeded", "Failed"):
        ended = replace(running, status=replace(running.status, phase=phase))
        assert not can_be_endpoint(ended, node("node-1"), service(publish_not_ready_addresses=True))


def test_ports() -> None:
    ports = (
        ServicePort(name="number", protocol="TCP", port=80, target_port=8080),
        ServicePort(name="same", protocol="TCP", port=81),
        ServicePort(name="named", protocol="TCP", port=82, target_port="web", app_protocol="http"),
        ServicePort(name="udp", protocol="UDP", port=83, target_port="web"),
        ServicePort(name="missing", protocol="TCP", port=84, target_port="absent"),
    )
    containers = (
        container(ContainerPort(name="web", container_port=9000, protocol="TCP")),
        container(ContainerPort(name="web", container_port=9001), ContainerPort(name="web", container_port=53, protocol="UDP")),
    )
    assert resolved_ports(service(ports=ports), pod("a", containers=containers)) == (
        EndpointPort(name="number", protocol="TCP", port=8080),
        EndpointPort(name="same", protocol="TCP", port=81),
        EndpointPort(name="named", protocol="TCP", port=9000, app_protocol="http"),
        EndpointPort(name="udp", protocol="UDP", port=53),
    )


def test_ports_of_sidecars_count_and_those_of_init_containers_do_not() -> None:
    """`FindPort` in k8s.io/endpointslice/utils.go."""
    port = ContainerPort(name="web", container_port=9000, protocol="TCP")
    init, sidecar = container(port), replace(container(replace(port, container_port=9001)), restart_policy="Always")
    wanted = service(ports=(ServicePort(name="http", protocol="TCP", port=80, target_port="web"),))
    assert resolved_ports(wanted, pod("a", init_containers=(init,))) == ()
    assert [each.port for each in resolved_ports(wanted, pod("a", init_containers=(init, sidecar)))] == [9001]
    assert [each.port for each in resolved_ports(wanted, pod("a", containers=(init,), init_containers=(sidecar,)))] == [9000]


def test_headless() -> None:
    assert [is_headless(service(cluster_ip=each)) for each in ("10.96.0.1", "None", "")] == [False, True, True]


def test_an_unnamed_port_says_so_on_the_wire() -> None:
    """`kubectl describe service` reads the name of every port of a slice without asking whether there is one."""
    unnamed = service(ports=(ServicePort(protocol="TCP", port=80, target_port=8080),))
    [port] = resolved_ports(unnamed, pod("a", "10.244.1.2"))
    assert msgspec.json.encode(port) == b'{"name":"","protocol":"TCP","port":8080}'
