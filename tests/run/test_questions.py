"""`trace` and `explain` against an API: what is asked becomes the right packet at the right node."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from moorage.cli.questions import as_json
from moorage.client.fake import FakeClient
from moorage.model.errors import ApiError, UserError
from moorage.model.net import Protocol
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.service_cidrs import ServiceCIDR
from moorage.run.network import network_settings
from moorage.run.questions import Target, Traced, ask_explain, ask_trace, parse_target
from moorage.table.facts import NetworkSettings
from moorage.table.trace import Action, Source
from tests.observe.cluster import cluster

SERVICE_CIDR = """
{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: kubernetes}, spec: {cidrs: [10.96.0.0/16]}}
"""


def client() -> FakeClient:
    return FakeClient(each for objects in cluster(SERVICE_CIDR).by_type.values() for each in objects.values())


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.96.0.7:80", Target("10.96.0.7", 80, Protocol.TCP)),
        ("web.shop:53/udp", Target("web.shop", 53, Protocol.UDP)),
        ("[fd00::7]:80/TCP", Target("fd00::7", 80, Protocol.TCP)),
        ("10.96.0.7/icmp", Target("10.96.0.7", 0, None)),
        ("web/ICMP", Target("web", 0, None)),
        ("shop/web:80", Target("web.shop", 80, Protocol.TCP)),
        ("shop/web:53/udp", Target("web.shop", 53, Protocol.UDP)),
        ("shop/web/icmp", Target("web.shop", 0, None)),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["web", "web:", ":80", "web:0", "web:70000", "web:80/quic", "web:http", "/icmp"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UserError, match="is no target"):
        parse_target(text)


@pytest.mark.parametrize(
    ("vantage", "target", "at", "node", "action", "reason"),
    [
        ("pod/web-1", "web:80", "", "node-1", Action.FORWARD, Reason.FORWARDED),
        ("pod/default/web-1", "web.default:81", "", "node-1", Action.REJECT, Reason.NO_SUCH_PORT),
        ("node/node-2", "10.96.0.7:80", "", "node-2", Action.FORWARD, Reason.FORWARDED),
        ("198.18.0.100", "10.96.0.7:80", "", "node-1", Action.DROP, Reason.NOT_FROM_CLUSTER),
        ("198.18.0.100", "198.18.0.12:30080", "", "node-2", Action.FORWARD, Reason.FORWARDED),
        ("198.18.0.100", "10.96.0.7:80", "node-2", "node-2", Action.DROP, Reason.NOT_FROM_CLUSTER),
        ("pod/web-1", "10.244.1.2:8080", "", "node-1", Action.ROUTE, Reason.NOT_A_SERVICE),
        ("pod/web-1", "web/icmp", "", "node-1", Action.ANSWER, Reason.PING_ANSWERED),
        ("pod/web-1", "198.18.0.12:30080", "", "node-2", Action.FORWARD, Reason.FORWARDED),
        ("node/node-1", "198.18.0.12:30081", "", "node-2", Action.ROUTE, Reason.NOT_A_SERVICE),
        ("node/node-1", "127.0.0.1:30080", "", "node-1", Action.FORWARD, Reason.FORWARDED),
        ("pod/web-1", "10.96.0.9:80", "", "node-1", Action.DROP, Reason.NOT_ALLOCATED),
    ],
)
def test_trace(vantage: str, target: str, at: str, node: str, action: Action, reason: Reason) -> None:
    found = asyncio.run(ask_trace(client(), vantage, parse_target(target), at, network_settings(["10.244.0.0/16"])))
    assert (found.node, found.verdict.action, found.verdict.reason) == (node, action, reason)


def test_a_node_port_hides_the_client() -> None:
    *_, verdict = asyncio.run(ask_trace(client(), "198.18.0.100", parse_target("198.18.0.11:30080"), "", NetworkSettings()))
    assert {each.source for each in verdict.deliveries} == {Source.NODE}


BALANCED = """
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default, uid: s1,
   annotations: {moorage.dev/load-balancer: announce}},
 spec: {type: LoadBalancer, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], selector: {app: web},
        ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]},
 status: {loadBalancer: {ingress: [{ip: 198.18.100.1}]}}}
"""
ANNOUNCED = """
{apiVersion: metallb.io/v1beta1, kind: ServiceL2Status, metadata: {name: l2-0.node-2, namespace: moorage-system},
 status: {node: node-2, serviceName: web, serviceNamespace: default}}
"""


def traced(vantage: str, target: str, *manifests: str, at: str = "") -> Traced:
    objects = cluster(SERVICE_CIDR, *manifests).by_type.values()
    asked = FakeClient(each for kind in objects for each in kind.values())
    return asyncio.run(ask_trace(asked, vantage, parse_target(target), at, network_settings(["10.244.0.0/16"])))


def test_from_outside_a_name_is_the_load_balancer_address_at_the_node_that_announces_it() -> None:
    found = traced("198.18.0.100", "default/web:80", BALANCED, ANNOUNCED)
    assert (found.node, str(found.packet.destination), found.packet.destination_port) == ("node-2", "198.18.100.1", 80)
    assert found.verdict.action is Action.FORWARD
    assert found.verdict.steps[0].reason is Reason.ADDRESS_CHOSEN
    assert "default/web has the load-balancer address 198.18.100.1" in found.verdict.steps[0].text
    assert traced("198.18.0.100", "198.18.100.1:80", BALANCED, ANNOUNCED).node == "node-2"
    assert traced("198.18.0.100", "web:80", BALANCED, ANNOUNCED, at="node-1").node == "node-1"
    assert traced("198.18.0.100", "web/icmp", BALANCED).verdict.reason is Reason.PING_ANSWERED


def test_from_outside_a_name_without_such_an_address_is_a_node_port() -> None:
    found = traced("198.18.0.100", "web:80", at="node-2")
    assert (found.node, str(found.packet.destination), found.packet.destination_port) == ("node-2", "198.18.0.12", 30080)
    assert found.verdict.action is Action.FORWARD
    assert "asks the NodePort 30080 of node-2 (198.18.0.12)" in found.verdict.steps[0].text


@pytest.mark.parametrize("vantage", ["pod/web-1", "node/node-1", "10.244.1.2"])
def test_from_inside_a_name_is_the_cluster_ip(vantage: str) -> None:
    found = traced(vantage, "web:80", BALANCED, ANNOUNCED)
    assert str(found.packet.destination) == "10.96.0.7"
    assert found.verdict.steps[0].text == "default/web has the ClusterIP 10.96.0.7"


def test_a_node_that_is_not_there_decides_nothing() -> None:
    with pytest.raises(UserError, match="there is no Node node-9"):
        traced("198.18.0.100", "web:80", at="node-9")
    waiting = """
{apiVersion: v1, kind: Pod, metadata: {name: web-2, namespace: default}, spec: {containers: []}, status: {podIP: 10.244.1.9}}
"""
    with pytest.raises(UserError, match="Pod default/web-2 has no node yet"):
        traced("pod/web-2", "web:80", waiting)


@pytest.mark.parametrize("vantage", ["pod/nobody", "node/node-9", "web-1", "pod/a/b/c", ""])
def test_what_is_no_vantage_point(vantage: str) -> None:
    with pytest.raises(UserError):
        asyncio.run(ask_trace(client(), vantage, parse_target("web:80"), "", NetworkSettings()))


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UserError, match="neither an address nor a Service"):
        asyncio.run(ask_trace(client(), "pod/web-1", parse_target("shop:80"), "", NetworkSettings()))


def test_explain_by_name_and_by_namespace() -> None:
    assert asyncio.run(ask_explain(client(), "web", NetworkSettings())).works
    assert asyncio.run(ask_explain(client(), "default/web", NetworkSettings())).works
    assert not asyncio.run(ask_explain(client(), "shop/web", NetworkSettings())).works


def test_a_server_without_service_cidrs_is_asked_all_the_same() -> None:
    old = client()
    old.fail("list", ApiError(404, "NotFound", "the server could not find the requested resource"), ServiceCIDR)
    *_, verdict = asyncio.run(ask_trace(old, "pod/web-1", parse_target("10.96.0.9:80"), "", NetworkSettings()))
    assert verdict.reason is Reason.NOT_A_SERVICE
    old.fail("list", ApiError(404, "NotFound", "no"), Pod)
    with pytest.raises(ApiError, match="no"):
        asyncio.run(ask_explain(old, "web", NetworkSettings()))


def test_a_vantage_point_of_the_other_family() -> None:
    for vantage, words in (("pod/web-1", "no Pod default/web-1 with an IPv6"), ("node/node-1", "an InternalIP of IPv6")):
        with pytest.raises(UserError, match=words):
            asyncio.run(ask_trace(client(), vantage, parse_target("[fd00::7]:80"), "", NetworkSettings()))


def test_a_trace_as_json() -> None:
    traced = asyncio.run(ask_trace(client(), "198.18.0.100", parse_target("198.18.0.11:30080"), "", NetworkSettings()))
    found = as_json(traced)
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert found["frontend"] == "*:30080/tcp"
    assert found["service"] == "default/web"
    backend = {"address": "10.244.1.2", "port": 8080, "node": "node-1", "share": 1.0, "source": "node"}
    assert found["deliveries"] == [backend]
    assert (found["node"], found["action"], found["reason"]) == ("node-1", "forward", "Forwarded")
    assert (found["destination"], found["port"], found["protocol"]) == ("198.18.0.11", 30080, "TCP")
