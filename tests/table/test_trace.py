from __future__ import annotations

import msgspec
import pytest

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot
from moorage.table.compile import compile_table
from moorage.table.trace import Action, Delivery, Packet, Source, Step, Verdict, trace
from moorage.table.types import Backend, ForwardingTable
from tests.table.objects import FACTS, endpoint, ip, provided, service, slice_

HERE = Backend.at(ip("10.244.0.1"), 8080, "node-1")
THERE = Backend.at(ip("10.244.1.1"), 8080, "node-2")
POD, HOST, OTHER_NODE, CLIENT = "10.244.0.7", "192.168.0.1", "192.168.0.2", "198.18.0.100"
TABLE = compile_table(
    Snapshot.of(
        [
            service("web", "10.96.0.1", type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}]),
            slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.1.1", "node-2"), of="web", port_name="http"),
            service("empty", "10.96.0.2", type="NodePort", ports=[{"port": 80, "nodePort": 30081}]),
            service(
                "far", "10.96.0.3", type="NodePort", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30082}]
            ),
            slice_(endpoint("10.244.1.1", "node-2"), of="far"),
            service(
                "near", "10.96.0.4", type="NodePort", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 30083}]
            ),
            slice_(endpoint("10.244.0.1", "node-1"), of="near"),
        ]
    ),
    FACTS,
)


def go(source: str, destination: str, port: int, protocol: Protocol = Protocol.TCP, local: bool = False) -> Verdict:
    return trace(TABLE, FACTS, Packet(ip(source), ip(destination), protocol, port, local))


def reasons(verdict: Verdict) -> list[Reason]:
    return [step.reason for step in verdict.steps]


@pytest.mark.parametrize("source", [POD, HOST, OTHER_NODE])
def test_from_the_cluster_to_a_cluster_ip_the_source_is_kept(source: str) -> None:
    verdict = go(source, "10.96.0.1", 80)
    assert (verdict.action, verdict.reason, verdict.service) == (Action.FORWARD, Reason.FORWARDED, Key("default", "web"))
    assert verdict.deliveries == (Delivery(HERE, Source.KEPT, 0.5), Delivery(THERE, Source.KEPT, 0.5))
    assert reasons(verdict) == [Reason.FRONTEND_FOUND, Reason.SOURCE_KEPT, Reason.FORWARDED]
    assert verdict.steps[0].text == "10.96.0.1:80/tcp is port http of the Service default/web"
    assert verdict.steps[-1].text == "to one of 2: 10.244.0.1:8080, 10.244.1.1:8080"


def test_a_process_of_the_node_is_inside_whatever_its_address() -> None:
    assert go("127.0.0.1", "10.96.0.1", 80, local=True).action is Action.FORWARD
    assert go("127.0.0.1", "10.96.0.1", 80).action is Action.DROP


@pytest.mark.parametrize(("destination", "port"), [("10.96.0.1", 80), ("10.96.0.2", 80), ("10.96.0.1", 81)])
def test_from_outside_a_cluster_ip_does_not_exist(destination: str, port: int) -> None:
    verdict = go(CLIENT, destination, port)
    assert (verdict.action, verdict.reason, verdict.backends) == (Action.DROP, Reason.NOT_FROM_CLUSTER, ())


def test_a_node_port_is_masqueraded() -> None:
    verdict = go(CLIENT, HOST, 30080)
    assert verdict.deliveries == (Delivery(HERE, Source.NODE, 0.5), Delivery(THERE, Source.NODE, 0.5))
    assert reasons(verdict) == [Reason.FRONTEND_FOUND, Reason.MASQUERADED, Reason.FORWARDED]
    assert verdict.backends == (HERE, THERE)


def test_a_backend_that_reaches_itself_sees_the_node() -> None:
    verdict = go("10.244.0.1", "10.96.0.1", 80)
    assert verdict.deliveries == (Delivery(HERE, Source.NODE, 0.5), Delivery(THERE, Source.KEPT, 0.5))
    assert reasons(verdict) == [Reason.FRONTEND_FOUND, Reason.SOURCE_KEPT, Reason.HAIRPIN, Reason.FORWARDED]


def test_local_policy_keeps_the_source_or_drops() -> None:
    assert go(CLIENT, HOST, 30083).deliveries == (Delivery(HERE, Source.KEPT),)
    dropped = go(CLIENT, HOST, 30082)
    assert (dropped.action, dropped.reason) == (Action.DROP, Reason.NO_LOCAL_ENDPOINT)
    assert dropped.steps[-1].text == "there is no backend that node node-1 may use: the connection is dropped"


def test_without_an_endpoint_the_connection_is_refused() -> None:
    for source, destination, port in ((POD, "10.96.0.2", 80), (CLIENT, HOST, 30081)):
        verdict = go(source, destination, port)
        assert (verdict.action, verdict.reason) == (Action.REJECT, Reason.NO_READY_ENDPOINT)
        assert verdict.frontend is not None


def test_a_port_that_the_service_does_not_have_is_refused() -> None:
    for port, protocol in ((81, Protocol.TCP), (80, Protocol.UDP)):
        verdict = go(POD, "10.96.0.1", port, protocol)
        assert (verdict.action, verdict.reason, verdict.service) == (Action.REJECT, Reason.NO_SUCH_PORT, Key("default", "web"))


def test_an_external_address_that_is_also_a_cluster_ip_stays_inside() -> None:
    greedy = service("greedy", "10.96.0.5", externalIPs=["10.96.0.6"], ports=[{"port": 443}])
    owner = service("owner", "10.96.0.6")
    table = compile_table(Snapshot.of([greedy, owner]), FACTS)
    packet = Packet(ip(CLIENT), ip("10.96.0.6"), Protocol.TCP, 443)
    assert trace(table, FACTS, packet).reason is Reason.NOT_FROM_CLUSTER


def test_a_node_that_reaches_its_own_endpoint_keeps_its_address() -> None:
    dns = service("dns", "10.96.0.10", ports=[{"port": 53, "protocol": "UDP"}])
    endpoints = slice_(endpoint(HOST, "node-1"), of="dns", protocol="UDP", port=10053)
    table = compile_table(Snapshot.of([dns, endpoints]), FACTS)
    verdict = trace(table, FACTS, Packet(ip(HOST), ip("10.96.0.10"), Protocol.UDP, 53, local=True))
    assert [each.source for each in verdict.deliveries] == [Source.KEPT]


@pytest.mark.parametrize(("destination", "port"), [(HOST, 22), ("10.244.0.1", 8080), ("198.18.0.5", 80), ("fd00::1", 80)])
def test_other_traffic_is_left_alone(destination: str, port: int) -> None:
    verdict = go(CLIENT, destination, port)
    assert (verdict.action, verdict.reason, verdict.service) == (Action.ROUTE, Reason.NOT_A_SERVICE, None)


def test_a_long_list_of_backends_is_cut_in_the_sentence_only() -> None:
    six = service("six", "fd02::1")
    slices = slice_(*(endpoint(f"fd00::{last}") for last in range(1, 6)), of="six", family="IPv6")
    table = compile_table(Snapshot.of([six, slices]), FACTS)
    verdict = trace(table, FACTS, Packet(ip("::1"), ip("fd02::1"), Protocol.TCP, 80, local=True))
    assert len(verdict.backends) == 5
    assert verdict.steps[-1].text == "to one of 5: [fd00::1]:8080, [fd00::2]:8080, [fd00::3]:8080, ..."


def test_hints_that_narrow_the_choice_are_a_step() -> None:
    east, west = ({"hints": {"forZones": [{"name": zone}]}} for zone in ("east", "west"))
    slices = slice_(endpoint("10.244.0.1", "node-1") | east, endpoint("10.244.1.1", "node-2") | west)
    facts = msgspec.structs.replace(FACTS, zone="east")
    table = compile_table(Snapshot.of([service("web", "10.96.0.1"), slices]), facts)
    verdict = trace(table, facts, Packet(ip(POD), ip("10.96.0.1"), Protocol.TCP, 80))
    assert reasons(verdict) == [Reason.FRONTEND_FOUND, Reason.SAME_ZONE, Reason.SOURCE_KEPT, Reason.FORWARDED]
    assert verdict.steps[1].text == "only endpoints for the zone of node node-1 are used, as their hints say"
    assert verdict.backends == (HERE,)


def test_a_process_of_the_node_is_masqueraded_on_its_way_out() -> None:
    verdict = go(HOST, "10.96.0.1", 80, local=True)
    assert {each.source for each in verdict.deliveries} == {Source.NODE}
    assert Reason.MASQUERADED in reasons(verdict)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3"])
def test_node_ports_are_served_on_localhost(address: str) -> None:
    verdict = go("127.0.0.1", address, 30080, local=True)
    assert (verdict.action, verdict.service) == (Action.FORWARD, Key("default", "web"))
    assert go("127.0.0.1", "10.244.0.9", 30080, local=True).action is Action.ROUTE


@pytest.mark.parametrize(("source", "local"), [(POD, False), (HOST, True)])
def test_the_nodes_own_traffic_passes_a_policy_of_local(source: str, local: bool) -> None:
    verdict = go(source, HOST, 30082, local=local)
    assert [each.backend for each in verdict.deliveries] == [THERE]
    assert Reason.SHORT_CIRCUIT in reasons(verdict)


def test_a_pod_of_another_node_does_not() -> None:
    assert go("10.244.1.7", HOST, 30082).reason is Reason.NO_LOCAL_ENDPOINT


def test_an_address_that_nobody_has_is_dropped() -> None:
    for protocol in (Protocol.TCP, None):
        verdict = trace(TABLE, FACTS, Packet(ip(POD), ip("10.96.7.7"), protocol, 80))
        assert (verdict.action, verdict.reason) == (Action.DROP, Reason.NOT_ALLOCATED)


def ping(table: ForwardingTable, destination: str, source: str = POD) -> Verdict:
    return trace(table, FACTS, Packet(ip(source), ip(destination), None, 0))


def test_pings_are_answered_while_there_is_a_backend() -> None:
    assert (ping(TABLE, "10.96.0.1").action, ping(TABLE, "10.96.0.1").reason) == (Action.ANSWER, Reason.PING_ANSWERED)
    assert (ping(TABLE, "10.96.0.2").action, ping(TABLE, "10.96.0.2").reason) == (Action.REJECT, Reason.NO_READY_ENDPOINT)
    assert ping(TABLE, "10.96.0.1", CLIENT).reason is Reason.NOT_FROM_CLUSTER
    assert ping(TABLE, HOST).action is Action.ROUTE


def test_clients_outside_the_source_ranges_are_dropped() -> None:
    ranges = ["198.18.0.0/24"]
    of = provided(service("lb", "10.96.0.9", type="LoadBalancer", ingress=("198.18.200.1",), loadBalancerSourceRanges=ranges))
    table = compile_table(Snapshot.of([of, slice_(endpoint("10.244.0.1"), of="lb")]), FACTS)

    def come(source: str) -> Verdict:
        return trace(table, FACTS, Packet(ip(source), ip("198.18.200.1"), Protocol.TCP, 80))

    assert come(CLIENT).action is Action.FORWARD
    assert (come("203.0.113.9").action, come("203.0.113.9").reason) == (Action.DROP, Reason.SOURCE_NOT_ALLOWED)
    assert ping(table, "198.18.200.1", "203.0.113.9").action is Action.ANSWER


def test_weights_are_shares() -> None:
    table = compile_table(
        Snapshot.of([service(), slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.1.1", "node-2"))]),
        msgspec.structs.replace(FACTS, weights={"node-2": 3}),
    )
    verdict = trace(table, FACTS, Packet(ip(POD), ip("10.96.0.1"), Protocol.TCP, 80))
    assert [each.share for each in verdict.deliveries] == [0.25, 0.75]
    assert verdict.steps[-1].text == "to one of 2: 10.244.0.1:8080 (25%), 10.244.1.1:8080 (75%)"


def test_affinity_is_a_step() -> None:
    of = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    table = compile_table(Snapshot.of([of, slice_(endpoint("10.244.0.1"))]), FACTS)
    verdict = trace(table, FACTS, Packet(ip(POD), ip("10.96.0.1"), Protocol.TCP, 80))
    assert Step(Reason.SESSION_AFFINITY, f"{POD} keeps its backend for 60 s after each connection") in verdict.steps


def test_a_range_serves_each_of_its_ports() -> None:
    of = service(ports=[{"port": 1000, "protocol": "UDP"}, {"name": "one", "port": 1500, "protocol": "UDP"}])
    of = msgspec.structs.replace(
        of, metadata=msgspec.structs.replace(of.metadata, annotations={"moorage.dev/port-ranges": "1000-1999/udp"})
    )
    slices = [
        slice_(endpoint("10.244.0.1"), protocol="UDP", port=1000),
        slice_(endpoint("10.244.0.2"), name="web-2", port_name="one", protocol="UDP", port=1),
    ]
    table = compile_table(Snapshot.of([of, *slices]), FACTS)
    for port, said in ((1000, "10.244.0.1:1000"), (1999, "10.244.0.1:1999"), (1500, "10.244.0.2:1")):
        verdict = trace(table, FACTS, Packet(ip(POD), ip("10.96.0.1"), Protocol.UDP, port))
        assert verdict.steps[-1].text == f"to one of 1: {said}"
    assert trace(table, FACTS, Packet(ip(POD), ip("10.96.0.1"), Protocol.UDP, 2000)).reason is Reason.NO_SUCH_PORT
