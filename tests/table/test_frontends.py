from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import HEADLESS_LABEL, PROXY_NAME_LABEL, EndpointSlice
from moorage.table.frontends import Compiled, affinity_seconds, compile_service
from moorage.table.select import MOST_BACKENDS
from moorage.table.types import (
    AddressKind,
    Backend,
    Choice,
    Frontend,
    FrontendAddress,
    LocalCheck,
    NoBackend,
    NodeFacts,
)
from tests.table.objects import (
    FACTS,
    READY,
    TERMINATING,
    UNREADY,
    addresses,
    endpoint,
    ip,
    net,
    provided,
    service,
    slice_,
    with_ingress,
)

HERE = Backend.at(ip("10.244.0.1"), 8080, "node-1")
THERE = Backend.at(ip("10.244.1.1"), 8080, "node-2")
BOTH = Choice((HERE, THERE))
SLICE = slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.1.1", "node-2"))
NODE_PORT = [{"port": 80, "nodePort": 30080}]


def match(text: str, port: int, protocol: Protocol = Protocol.TCP) -> FrontendAddress:
    return FrontendAddress(ip(text), protocol, port)


def compiled(of: Service, *slices: EndpointSlice, facts: NodeFacts = FACTS) -> Compiled:
    return compile_service(of, slices or (SLICE,), facts)


def by_address(of: Service, *slices: EndpointSlice) -> dict[str, Frontend]:
    return {str(each.match): each for each in compiled(of, *slices).frontends}


def test_cluster_ip() -> None:
    assert compiled(service()) == Compiled((Frontend(match("10.96.0.1", 80), AddressKind.CLUSTER_IP, BOTH),))


def test_a_node_port_is_one_frontend_for_all_addresses_of_the_node_and_masqueraded() -> None:
    of = service(type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    slices = slice_(endpoint("10.244.0.1", "node-1"), port_name="http")
    assert compiled(of, slices).frontends == (
        Frontend(match("10.96.0.1", 80), AddressKind.CLUSTER_IP, Choice((HERE,)), port_name="http"),
        Frontend(match("0.0.0.0", 30080), AddressKind.NODE_PORT, Choice((HERE,)), masquerade=True, port_name="http"),
    )


def test_load_balancer_and_external_addresses() -> None:
    of = provided(service(type="LoadBalancer", ingress=("198.18.100.1",), externalIPs=["203.0.113.9"], ports=NODE_PORT))
    found = by_address(of)
    assert {text: each.kind for text, each in found.items()} == {
        "10.96.0.1:80/tcp": AddressKind.CLUSTER_IP,
        "198.18.100.1:80/tcp": AddressKind.LOAD_BALANCER,
        "203.0.113.9:80/tcp": AddressKind.EXTERNAL_IP,
        "*:30080/tcp": AddressKind.NODE_PORT,
    }
    assert all(each.masquerade == (each.kind is not AddressKind.CLUSTER_IP) for each in found.values())
    assert all(each.choice is found["*:30080/tcp"].choice and each.inside is None for each in found.values())


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


def test_external_policy_local_keeps_the_source_and_the_node_except_for_the_nodes_own_traffic() -> None:
    found = by_address(service(type="NodePort", externalTrafficPolicy="Local", ports=NODE_PORT))
    assert found["10.96.0.1:80/tcp"].choice == BOTH
    assert found["*:30080/tcp"] == Frontend(match("0.0.0.0", 30080), AddressKind.NODE_PORT, Choice((HERE,)), BOTH)


def test_external_policy_local_without_a_local_endpoint_drops_but_the_nodes_own_traffic() -> None:
    of = service(type="NodePort", externalTrafficPolicy="Local", ports=NODE_PORT)
    found = by_address(of, slice_(endpoint("10.244.1.1", "node-2")))
    local = found["*:30080/tcp"]
    assert local.choice == Choice((), Reason.NO_LOCAL_ENDPOINT)
    assert (local.choice.without_backend, local.inside) == (NoBackend.DROP, Choice((THERE,)))
    assert found["10.96.0.1:80/tcp"].choice.backends == (THERE,)


def test_where_all_endpoints_are_local_there_is_no_difference() -> None:
    of = service(type="NodePort", externalTrafficPolicy="Local", ports=NODE_PORT)
    found = by_address(of, slice_(endpoint("10.244.0.1", "node-1")))["*:30080/tcp"]
    assert (found.backends, found.inside, found.masquerade) == ((HERE,), None, False)


def test_internal_policy_local() -> None:
    of = service(type="NodePort", internalTrafficPolicy="Local", ports=NODE_PORT)
    found = by_address(of)
    assert found["10.96.0.1:80/tcp"].backends == (HERE,)
    assert found["*:30080/tcp"].backends == (HERE, THERE)
    elsewhere = by_address(of, slice_(endpoint("10.244.1.1", "node-2")))["10.96.0.1:80/tcp"]
    assert (elsewhere.choice.without_backend, elsewhere.reason) == (NoBackend.DROP, Reason.NO_LOCAL_ENDPOINT)


def test_both_policies_local() -> None:
    of = service(type="NodePort", internalTrafficPolicy="Local", externalTrafficPolicy="Local", ports=NODE_PORT)
    assert {each.backends for each in compiled(of).frontends} == {(HERE,)}


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_no_endpoint_anywhere_refuses_under_either_policy(policy: str) -> None:
    of = service(type="NodePort", externalTrafficPolicy=policy, ports=NODE_PORT)
    for frontend in compiled(of, slice_(endpoint("10.244.0.1", "node-1", UNREADY))).frontends:
        assert (frontend.choice.without_backend, frontend.reason) == (NoBackend.REJECT, Reason.NO_READY_ENDPOINT)
        assert not frontend.serves


def test_dual_stack_gives_each_family_its_own_endpoints() -> None:
    of = service(clusterIPs=["10.96.0.1", "fd02::1"], ipFamilies=["IPv4", "IPv6"], externalIPs=["2001:db8::9"], ports=NODE_PORT)
    six = slice_(endpoint("fd00::1", "node-1"), name="web-6", family="IPv6")
    found = by_address(of, SLICE, six)
    assert found["10.96.0.1:80/tcp"].backends == found["*:30080/tcp"].backends == (HERE, THERE)
    assert found["[fd02::1]:80/tcp"].backends == (Backend.at(ip("fd00::1"), 8080, "node-1"),)
    assert found["[2001:db8::9]:80/tcp"].backends == found["[*]:30080/tcp"].backends == found["[fd02::1]:80/tcp"].backends


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
    ("config", "seconds"),
    [(None, 10800), ({}, 10800), ({"clientIP": {}}, 10800), ({"clientIP": {"timeoutSeconds": 60}}, 60)],
)
def test_affinity_holds_for_every_port(config: dict[str, object] | None, seconds: int) -> None:
    more: dict[str, Any] = {} if config is None else {"sessionAffinityConfig": config}
    of = service(type="NodePort", sessionAffinity="ClientIP", ports=NODE_PORT, **more)
    assert affinity_seconds(of) == seconds
    assert {each.affinity for each in compiled(of).frontends} == {seconds}
    assert affinity_seconds(service(sessionAffinity="None", **more)) == 0


def test_source_ranges_hold_for_load_balancer_addresses_only() -> None:
    of = service(
        type="LoadBalancer",
        ingress=("198.18.100.1",),
        externalIPs=["203.0.113.9"],
        loadBalancerSourceRanges=["192.0.2.0/24"],
        ports=NODE_PORT,
    )
    restricted = {text for text, each in by_address(of).items() if each.sources}
    assert restricted == {"198.18.100.1:80/tcp"}
    assert by_address(of)["198.18.100.1:80/tcp"].sources == (net("192.0.2.0/24"),)


def test_a_port_range_keeps_the_port_and_its_node_port_is_the_first() -> None:
    of = service(type="LoadBalancer", ingress=("198.18.100.1",), ports=[{"port": 1000, "protocol": "UDP", "nodePort": 30080}])
    of = msgspec.structs.replace(
        of, metadata=msgspec.structs.replace(of.metadata, annotations={"moorage.dev/port-ranges": "1000-1999/udp"})
    )
    found = by_address(of, slice_(endpoint("10.244.0.1", "node-1"), protocol="UDP", port=1000))
    assert {text: [each.port for each in frontend.backends] for text, frontend in found.items()} == {
        "10.96.0.1:1000-1999/udp": [0],
        "198.18.100.1:1000-1999/udp": [0],
        "*:30080/udp": [1000],
    }


def test_weights_of_slices_and_nodes_multiply() -> None:
    facts = msgspec.structs.replace(FACTS, weights={"node-2": 3})
    heavy = msgspec.structs.replace(
        SLICE, metadata=msgspec.structs.replace(SLICE.metadata, annotations={"moorage.dev/weight": "2"})
    )
    (frontend,) = compiled(service(), heavy, facts=facts).frontends
    assert [each.weight for each in frontend.backends] == [2, 6]


@pytest.mark.parametrize(
    ("more", "endpoints", "expected"),
    [
        ({}, [endpoint("10.244.0.1"), endpoint("10.244.0.2"), endpoint("10.244.1.1", "node-2")], LocalCheck(32000, 2)),
        ({}, [endpoint("10.244.0.1", "node-1", TERMINATING)], LocalCheck(32000, 0)),
        ({"externalTrafficPolicy": "Cluster"}, [endpoint("10.244.0.1")], None),
        ({"type": "NodePort"}, [endpoint("10.244.0.1")], None),
        ({"healthCheckNodePort": 0}, [endpoint("10.244.0.1")], None),
    ],
)
def test_what_a_load_balancer_may_ask(
    more: dict[str, object], endpoints: list[dict[str, object]], expected: LocalCheck | None
) -> None:
    asked: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000, **more}
    of = service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}], **asked)
    slices = [slice_(*endpoints, name=name, port_name=name, port=port) for name, port in (("a", 8080), ("b", 8081))]
    assert compiled(of, *slices).check == expected


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (service(cluster_ip="None"), Reason.HEADLESS),
        (service(labels={HEADLESS_LABEL: ""}), Reason.HEADLESS),
        (service(type="ExternalName", cluster_ip="", externalName="example.com"), Reason.EXTERNAL_NAME),
        (service(labels={PROXY_NAME_LABEL: "other"}), Reason.OTHER_PROXY),
        (service(cluster_ip=""), Reason.INVALID_OBJECT),
    ],
)
def test_services_that_nodes_do_not_forward(of: Service, reason: Reason) -> None:
    found = compiled(of)
    assert found.frontends == ()
    assert [note.reason for note in found.notes] == [reason]


@pytest.mark.parametrize("label", [HEADLESS_LABEL, PROXY_NAME_LABEL])
def test_slices_that_are_another_proxys_do_not_count(label: str) -> None:
    theirs = slice_(endpoint("10.244.9.9"), name="theirs")
    labels = {**theirs.metadata.labels, label: ""}
    theirs = msgspec.structs.replace(theirs, metadata=msgspec.structs.replace(theirs.metadata, labels=labels))
    assert compiled(service(), SLICE, theirs) == compiled(service())


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


def test_endpoints_beyond_what_a_datapath_can_number_are_noted() -> None:
    many = slice_(*(endpoint(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", "node-1", READY) for n in range(MOST_BACKENDS + 2)))
    found = compiled(service(), many)
    assert {len(each.choice.backends) for each in found.frontends} == {MOST_BACKENDS}
    assert [(note.reason, note.message) for note in found.notes] == [
        (Reason.UNSUPPORTED, '32770 endpoints of port "": those beyond 32768 by address are left out')
    ]


def test_an_address_given_twice_is_served_once() -> None:
    of = provided(service(type="LoadBalancer", ingress=("198.18.100.1",), externalIPs=["198.18.100.1"]))
    assert list(by_address(of)) == ["10.96.0.1:80/tcp", "198.18.100.1:80/tcp"]
    assert by_address(of)["198.18.100.1:80/tcp"].kind is AddressKind.LOAD_BALANCER


def test_addresses_of_the_node_do_not_matter_to_node_ports() -> None:
    of = service(type="NodePort", ports=NODE_PORT)
    moved = msgspec.structs.replace(FACTS, addresses=addresses("192.168.0.7", "fd01::7"))
    assert compiled(of, facts=moved) == compiled(of)
