from __future__ import annotations

import pytest

from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import PROXY_NAME_LABEL, EndpointSlice
from moorage.table.frontends import Compiled, compile_service
from moorage.table.types import Backend, Frontend, FrontendAddress, NoBackend, NodeFacts, Scope
from tests.table.objects import FACTS, READY, UNREADY, addresses, endpoint, ip, service, slice_, with_ingress

HERE = Backend(ip("10.244.0.1"), 8080, "node-1")
THERE = Backend(ip("10.244.1.1"), 8080, "node-2")
SLICE = slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.1.1", "node-2"))


def match(text: str, port: int, protocol: Protocol = Protocol.TCP) -> FrontendAddress:
    return FrontendAddress(ip(text), protocol, port)


def compiled(of: Service, *slices: EndpointSlice, facts: NodeFacts = FACTS) -> Compiled:
    return compile_service(of, slices or (SLICE,), facts)


def by_address(of: Service, *slices: EndpointSlice) -> dict[str, Frontend]:
    return {str(each.match): each for each in compiled(of, *slices).frontends}


def test_cluster_ip() -> None:
    assert compiled(service()) == Compiled((Frontend(match("10.96.0.1", 80), Scope.CLUSTER, (HERE, THERE)),))


def test_node_port_is_served_at_every_address_of_the_node_and_masqueraded() -> None:
    facts = NodeFacts("node-1", addresses("192.168.0.1", "172.16.0.1", "fd01::1"))
    of = service(type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    slices = slice_(endpoint("10.244.0.1", "node-1"), port_name="http")
    assert compile_service(of, [slices], facts).frontends == (
        Frontend(match("10.96.0.1", 80), Scope.CLUSTER, (HERE,), port_name="http"),
        Frontend(match("192.168.0.1", 30080), Scope.ANYWHERE, (HERE,), masquerade=True, port_name="http"),
        Frontend(match("172.16.0.1", 30080), Scope.ANYWHERE, (HERE,), masquerade=True, port_name="http"),
    )


def test_load_balancer_and_external_addresses() -> None:
    of = service(
        type="LoadBalancer", ingress=("198.18.100.1",), externalIPs=["203.0.113.9"], ports=[{"port": 80, "nodePort": 30080}]
    )
    found = by_address(of)
    assert list(found) == ["10.96.0.1:80/tcp", "192.168.0.1:30080/tcp", "198.18.100.1:80/tcp", "203.0.113.9:80/tcp"]
    outside = [each for each in found.values() if each.scope is Scope.ANYWHERE]
    assert len(outside) == 3
    assert all(each.masquerade and each.backends == (HERE, THERE) for each in outside)
    assert all(each.backends is outside[0].backends for each in found.values())


def test_an_ingress_in_proxy_mode_is_left_to_the_load_balancer() -> None:
    of = with_ingress(
        service(type="LoadBalancer"),
        {"ip": "198.18.100.1", "ipMode": "Proxy"},
        {"ip": "198.18.100.2", "ipMode": "VIP"},
        {"hostname": "lb.example.com"},
    )
    assert list(by_address(of)) == ["10.96.0.1:80/tcp", "198.18.100.2:80/tcp"]
    assert compiled(of).notes == ()


def test_an_ingress_of_a_service_that_is_no_load_balancer_any_more_is_not_served() -> None:
    assert list(by_address(service(ingress=("198.18.100.1",)))) == ["10.96.0.1:80/tcp"]


def test_external_policy_local_keeps_the_source_and_the_node() -> None:
    of = service(type="NodePort", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30080}])
    found = by_address(of)
    assert found["10.96.0.1:80/tcp"].backends == (HERE, THERE)
    assert found["192.168.0.1:30080/tcp"] == Frontend(match("192.168.0.1", 30080), Scope.ANYWHERE, (HERE,), masquerade=False)


def test_external_policy_local_without_a_local_endpoint_drops() -> None:
    of = service(type="NodePort", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30080}])
    found = by_address(of, slice_(endpoint("10.244.1.1", "node-2")))
    local = found["192.168.0.1:30080/tcp"]
    assert (local.backends, local.without_backend, local.reason) == ((), NoBackend.DROP, Reason.NO_LOCAL_ENDPOINT)
    assert found["10.96.0.1:80/tcp"].backends == (THERE,)


def test_internal_policy_local() -> None:
    of = service(type="NodePort", internalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30080}])
    found = by_address(of)
    assert found["10.96.0.1:80/tcp"].backends == (HERE,)
    assert found["192.168.0.1:30080/tcp"].backends == (HERE, THERE)
    elsewhere = by_address(of, slice_(endpoint("10.244.1.1", "node-2")))["10.96.0.1:80/tcp"]
    assert (elsewhere.without_backend, elsewhere.reason) == (NoBackend.DROP, Reason.NO_LOCAL_ENDPOINT)


def test_both_policies_local() -> None:
    of = service(
        type="NodePort", internalTrafficPolicy="Local", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30080}]
    )
    assert {each.backends for each in compiled(of).frontends} == {(HERE,)}


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_no_endpoint_anywhere_refuses_under_either_policy(policy: str) -> None:
    of = service(type="NodePort", externalTrafficPolicy=policy, ports=[{"port": 80, "nodePort": 30080}])
    for frontend in compiled(of, slice_(endpoint("10.244.0.1", "node-1", UNREADY))).frontends:
        assert (frontend.without_backend, frontend.reason) == (NoBackend.REJECT, Reason.NO_READY_ENDPOINT)


def test_dual_stack_gives_each_family_its_own_endpoints() -> None:
    of = service(clusterIPs=["10.96.0.1", "fd02::1"], ipFamilies=["IPv4", "IPv6"], externalIPs=["2001:db8::9"])
    six = slice_(endpoint("fd00::1", "node-1"), name="web-6", family="IPv6")
    found = by_address(of, SLICE, six)
    assert found["10.96.0.1:80/tcp"].backends == (HERE, THERE)
    assert found["[fd02::1]:80/tcp"].backends == (Backend(ip("fd00::1"), 8080, "node-1"),)
    assert found["[2001:db8::9]:80/tcp"].backends == found["[fd02::1]:80/tcp"].backends


def test_one_port_number_in_two_protocols() -> None:
    of = service(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}])
    slices = (
        slice_(endpoint("10.244.0.1"), name="a", port_name="dns", protocol="UDP", port=10053),
        slice_(endpoint("10.244.0.1"), name="b", port_name="dns-tcp", protocol="TCP", port=10054),
    )
    assert {text: each.backends[0].port for text, each in by_address(of, *slices).items()} == {
        "10.96.0.1:53/udp": 10053,
        "10.96.0.1:53/tcp": 10054,
    }


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (service(cluster_ip="None"), Reason.HEADLESS),
        (service(type="ExternalName", cluster_ip="", externalName="example.com"), Reason.EXTERNAL_NAME),
        (service(labels={PROXY_NAME_LABEL: "other"}), Reason.OTHER_PROXY),
        (service(cluster_ip=""), Reason.INVALID_OBJECT),
    ],
)
def test_services_that_nodes_do_not_forward(of: Service, reason: Reason) -> None:
    found = compiled(of)
    assert found.frontends == ()
    assert [note.reason for note in found.notes] == [reason]


def test_bad_parts_are_noted_and_the_good_ones_served() -> None:
    of = service(
        clusterIPs=["10.96.0.1", "10.96.0.0001"],
        externalIPs=["nowhere", "2001:db8::9"],
        ports=[{"port": 70000}, {"port": 80, "protocol": "QUIC"}, {"port": 80, "nodePort": 99999}, {"port": 443}],
    )
    found = compiled(of)
    assert [str(each.match) for each in found.frontends] == ["10.96.0.1:443/tcp"]
    assert [note.message for note in found.notes] == [
        'spec.clusterIPs: "10.96.0.0001" is no IP address',
        'spec.externalIPs: "nowhere" is no IP address',
        "2001:db8::9 is of a family that the Service does not have",
        "spec.ports[0].port: 70000 is not between 1 and 65535",
        'spec.ports[1].protocol: "QUIC" is none of TCP, UDP, SCTP',
        "spec.ports[2].nodePort: 99999 is not between 1 and 65535",
    ]
    assert {note.reason for note in found.notes} == {Reason.INVALID_OBJECT}


def test_a_broken_slice_is_noted_once_for_all_ports() -> None:
    of = service(ports=[{"name": "", "port": 80}, {"name": "", "port": 81}])
    assert len(compiled(of, slice_(endpoint("oops"), endpoint("10.244.0.1", "node-1", READY))).notes) == 1


def test_what_is_asked_for_and_not_done_is_said() -> None:
    of = service(
        sessionAffinity="ClientIP",
        loadBalancerSourceRanges=["192.0.2.0/24"],
    )
    found = compiled(of)
    assert len(found.frontends) == 1
    assert [(note.reason, note.message.partition(":")[0]) for note in found.notes] == [
        (Reason.UNSUPPORTED, "spec.sessionAffinity"),
        (Reason.UNSUPPORTED, "spec.loadBalancerSourceRanges"),
    ]


def test_an_address_given_twice_is_served_once() -> None:
    of = service(type="LoadBalancer", ingress=("198.18.100.1",), externalIPs=["198.18.100.1"])
    assert list(by_address(of)) == ["10.96.0.1:80/tcp", "198.18.100.1:80/tcp"]
