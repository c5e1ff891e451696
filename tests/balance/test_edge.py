from __future__ import annotations

from typing import Any

from moorage.balance.edge import edge_table
from moorage.balance.health import Standing
from moorage.model.cluster import EXCLUDE_LABEL
from moorage.model.meta import Key, Object
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.table.types import AddressKind, Backend, ForwardingTable, Frontend, NoBackend
from tests.table.objects import TERMINATING, UNREADY, endpoint, ip, net, node, provided, service, slice_

NODES = [node("node-1", "192.168.0.1", "fd01::1"), node("node-2", "192.168.0.2"), node("node-3", "192.168.0.3")]
ALL = frozenset({"node-1", "node-2", "node-3"})
VIP = "198.18.100.1"
PORT = {"name": "http", "port": 80, "nodePort": 30080}


def balanced(*, ingress: tuple[str, ...] = (VIP,), **spec: Any) -> Service:
    return provided(service("web", type="LoadBalancer", ingress=ingress, **{"ports": [PORT], **spec}))


def backend(number: int) -> Backend:
    return Backend.at(ip(f"192.168.0.{number}"), 30080, f"node-{number}")


def table(*objects: Object, healthy: frozenset[str] = ALL, nodes: list[Any] = NODES) -> ForwardingTable:
    return edge_table(Snapshot.of([*nodes, *objects]), healthy)


def only(of: ForwardingTable) -> Frontend:
    (frontend,) = of.frontends()
    return frontend


def local_slice(*parts: tuple[int, dict[str, Any]]) -> EndpointSlice:
    endpoints = (endpoint(f"10.244.{number}.1", f"node-{number}", conditions) for number, conditions in parts)
    return slice_(*endpoints, port_name="http")


def test_backends_are_the_node_ports_of_healthy_nodes_and_the_source_is_rewritten() -> None:
    frontend = only(table(balanced(), healthy=frozenset({"node-1", "node-3", "a stranger"})))
    assert str(frontend.match) == "198.18.100.1:80/tcp"
    assert frontend.backends == (backend(1), backend(3))
    assert (frontend.kind, frontend.masquerade, frontend.port_name) == (AddressKind.LOAD_BALANCER, True, "http")
    assert frontend.consistent


def test_without_a_healthy_node_connections_are_refused() -> None:
    frontend = only(table(balanced(), healthy=frozenset()))
    assert (frontend.backends, frontend.choice.without_backend) == ((), NoBackend.REJECT)
    assert frontend.reason is Reason.NO_HEALTHY_NODE


def test_excluded_nodes_are_never_used() -> None:
    excluded = node("node-1", "192.168.0.1", labels={EXCLUDE_LABEL: ""})
    assert only(table(balanced(), nodes=[excluded, NODES[1]])).backends == (backend(2),)
    assert only(table(balanced(), nodes=[excluded])).reason is Reason.NO_HEALTHY_NODE


def test_nodes_that_go_away_are_used_only_when_no_other_is_there() -> None:
    going = node("node-1", "192.168.0.1", taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}])
    assert only(table(balanced(), nodes=[going, NODES[1]])).backends == (backend(2),)
    assert only(table(balanced(), nodes=[going])).backends == (backend(1),)


def test_policy_local_uses_nodes_with_an_endpoint() -> None:
    of = balanced(externalTrafficPolicy="Local")
    slices = local_slice((1, UNREADY), (2, {"ready": True}), (3, TERMINATING))
    assert only(table(of, slices)).backends == (backend(2),)
    unhealthy = only(table(of, slices, healthy=frozenset({"node-1", "node-3"})))
    assert (unhealthy.backends, unhealthy.reason) == ((), Reason.NO_HEALTHY_NODE)


def test_policy_local_falls_back_to_terminating_endpoints() -> None:
    of = balanced(externalTrafficPolicy="Local")
    assert only(table(of, local_slice((1, UNREADY), (3, TERMINATING)))).backends == (backend(3),)


def test_policy_local_without_endpoints() -> None:
    frontend = only(table(balanced(externalTrafficPolicy="Local"), local_slice((1, UNREADY))))
    assert (frontend.backends, frontend.reason, frontend.choice.without_backend) == (
        (),
        Reason.NO_READY_ENDPOINT,
        NoBackend.REJECT,
    )


def test_policy_local_keeps_a_node_that_goes_away_while_its_endpoint_serves() -> None:
    going = node("node-1", "192.168.0.1", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    of = balanced(externalTrafficPolicy="Local")
    found = only(table(of, local_slice((1, {"ready": True}), (2, {"ready": True})), nodes=[going, NODES[1]]))
    assert found.backends == (backend(1), backend(2))


def test_policy_local_believes_what_nodes_say_of_the_service() -> None:
    of, key = balanced(externalTrafficPolicy="Local", healthCheckNodePort=30900), Key("default", "web")
    slices = local_slice((1, {"ready": True}), (2, {"ready": True}), (3, {"ready": True}))
    yes, no, silent = Standing.HEALTHY, Standing.UNHEALTHY, Standing.UNKNOWN

    def used(*standings: Standing, others: EndpointSlice = slices) -> tuple[Backend, ...]:
        said = {key: {f"node-{number}": each for number, each in enumerate(standings, 1)}}
        return only(edge_table(Snapshot.of([*NODES, of, others]), ALL, checks=said)).backends

    assert used(yes, no, silent) == (backend(1),)
    assert used(no, silent, no) == (backend(2),), "it has not been asked yet"
    assert used(no, no) == (backend(3),), "which is not asked at all"
    assert used(no, no, no) == ()
    assert used(no, others=local_slice((1, TERMINATING))) == (backend(1),), "nodes deny endpoints that terminate"


def test_the_source_is_kept_where_nodes_answer_by_way_of_the_edge_and_do_not_rewrite_it_themselves() -> None:
    local = local_slice((1, {"ready": True}))
    for policy, keep, rewritten in (("Local", True, False), ("Cluster", True, True), ("Local", False, True)):
        snapshot = Snapshot.of([*NODES, balanced(externalTrafficPolicy=policy), local])
        assert only(edge_table(snapshot, ALL, keep_source=keep)).masquerade is rewritten


def test_each_family_reaches_nodes_of_its_own() -> None:
    found = {str(each.match): each for each in table(balanced(ingress=(VIP, "2001:db8::1"))).frontends()}
    assert found["[2001:db8::1]:80/tcp"].backends == (Backend.at(ip("fd01::1"), 30080, "node-1"),)
    assert found["198.18.100.1:80/tcp"].backends == (backend(1), backend(2), backend(3))


def test_services_without_an_address_of_another_type_or_class_are_not_served() -> None:
    assert table(balanced(ingress=())) == ForwardingTable()
    assert table(service("plain", type="NodePort", ingress=(VIP,), ports=[PORT])) == ForwardingTable()
    other = table(balanced(loadBalancerClass="other.example/lb"))
    assert (other.services, other.verdicts) == ({}, {Key("default", "web"): Reason.OTHER_CLASS})


def test_a_service_of_our_class_is_served() -> None:
    assert only(table(service("web", type="LoadBalancer", ingress=(VIP,), ports=[PORT], loadBalancerClass="moorage.dev/edge")))


def test_what_the_nodes_serve_and_what_is_not_decided_is_not_served() -> None:
    assert table(provided(balanced(), "announce")) == ForwardingTable()
    assert table(service("web", type="LoadBalancer", ingress=(VIP,), ports=[PORT])) == ForwardingTable()


def test_a_port_without_a_node_port_is_said_and_the_others_are_served() -> None:
    found = table(balanced(ports=[{"name": "bare", "port": 81}, PORT, {"name": "bad", "port": 0}]))
    assert str(only(found).match) == "198.18.100.1:80/tcp"
    assert found.verdicts == {Key("default", "web"): Reason.INVALID_OBJECT}
    assert [note.reason for note in found.notes[Key("default", "web")]] == [Reason.UNSUPPORTED, Reason.INVALID_OBJECT]


def test_affinity_and_source_ranges_hold_at_the_edge_where_the_clients_own_address_is_seen() -> None:
    frontend = only(table(balanced(sessionAffinity="ClientIP", loadBalancerSourceRanges=["192.0.2.0/24"])))
    assert (frontend.affinity, frontend.sources) == (10800, (net("192.0.2.0/24"),))


def test_an_address_of_two_services_belongs_to_the_older() -> None:
    younger = provided(service("younger", created="2026-02-01T00:00:00Z", type="LoadBalancer", ingress=(VIP,), ports=[PORT]))
    found = table(younger, balanced())
    assert list(found.services) == [Key("default", "web")]
    assert found.verdicts == {younger.key: Reason.DUPLICATE_FRONTEND}


def test_unchanged_frontends_are_the_same_objects_as_in_the_previous_table() -> None:
    snapshot = Snapshot.of([*NODES, balanced()])
    first = edge_table(snapshot, ALL)
    second = edge_table(snapshot, ALL, previous=first)
    assert second.services[Key("default", "web")] is first.services[Key("default", "web")]
    third = edge_table(snapshot, frozenset({"node-1"}), previous=second)
    assert only(third).backends == (backend(1),)
