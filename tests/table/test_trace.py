from __future__ import annotations

import msgspec
import pytest

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot
from moorage.table.compile import compile_table
from moorage.table.trace import Action, Delivery, Packet, Source, Verdict, trace
from moorage.table.types import Backend
from tests.table.objects import FACTS, endpoint, ip, service, slice_

HERE = Backend(ip("10.244.0.1"), 8080, "node-1")
THERE = Backend(ip("10.244.1.1"), 8080, "node-2")
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
    assert verdict.deliveries == (Delivery(HERE, Source.KEPT), Delivery(THERE, Source.KEPT))
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
    assert verdict.deliveries == (Delivery(HERE, Source.NODE), Delivery(THERE, Source.NODE))
    assert reasons(verdict) == [Reason.FRONTEND_FOUND, Reason.MASQUERADED, Reason.FORWARDED]
    assert verdict.backends == (HERE, THERE)


def test_a_backend_that_reaches_itself_sees_the_node() -> None:
    verdict = go("10.244.0.1", "10.96.0.1", 80)
    assert verdict.deliveries == (Delivery(HERE, Source.NODE), Delivery(THERE, Source.KEPT))
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
