"""Why a Service works, or why not: each way of being broken is found and named."""

from __future__ import annotations

import pytest

from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot
from moorage.observe.explain import Explanation, explain_service
from tests.observe.cluster import cluster

WEB = Key("default", "web")
NOW = 1_800_000_000.0


def explained(snapshot: Snapshot, key: Key) -> Explanation:
    return explain_service(snapshot, key, NOW)


def bad(explanation: Explanation) -> list[tuple[str, Reason | None]]:
    return [(each.hop, each.reason) for each in explanation.findings if each.ok is False]


def texts(explanation: Explanation) -> str:
    return "\n".join(f"{each.hop}: {each.text} {each.advice}" for each in explanation.findings)


def test_a_service_that_works() -> None:
    explanation = explained(cluster(), WEB)
    assert explanation.works
    assert "NodePort 10.96.0.7, ports 80/TCP (node port 30080)" in texts(explanation)
    assert "1 of 1 Pods with app=web are ready" in texts(explanation)
    for hop, address in (("node node-1", "198.18.0.11:30080/tcp"), ("node node-2", "198.18.0.12:30080/tcp")):
        assert f"{hop}: {address} goes to 1 backends" in texts(explanation)


UNREADY_POD = """
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: default, uid: p1, labels: {app: web}},
 spec: {nodeName: node-1, containers: [{name: web, image: nginx}]},
 status: {phase: Pending, containerStatuses: [{name: web, ready: false, image: nginx,
          state: {waiting: {reason: ErrImageNeverPull, message: no such image}}}]}}
"""
OTHER_LABEL = """
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: default, uid: p1, labels: {app: webapp}},
 spec: {nodeName: node-1, containers: [{name: web, image: moorage/echo}]}, status: {phase: Running}}
"""
UNREADY_SLICE = """
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-a, namespace: default, labels: {kubernetes.io/service-name: web}},
 endpoints: [{addresses: [10.244.1.2], nodeName: node-1, conditions: {ready: false}}],
 ports: [{name: "", protocol: TCP, port: 8080}]}
"""
LOST_NODE = """
{apiVersion: v1, kind: Node, metadata: {name: node-2, uid: n2}, spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24]},
 status: {addresses: [{type: InternalIP, address: 198.18.0.12}], conditions: [{type: Ready, status: Unknown}]}}
"""


@pytest.mark.parametrize(
    ("snapshot", "hop", "reason", "text"),
    [
        (cluster(without=("Service",)), "Service", None, "there is no Service default/web"),
        (cluster(OTHER_LABEL), "Pods", Reason.NO_READY_ENDPOINT, "Pods here have app=webapp: is the selector right?"),
        (cluster(UNREADY_POD), "Pods", Reason.NO_READY_ENDPOINT, "container web waits: ErrImageNeverPull no such image"),
        (cluster(without=("EndpointSlice",)), "EndpointSlices", Reason.NO_READY_ENDPOINT, "is the controller running?"),
        (cluster(UNREADY_SLICE), "node node-1", Reason.NO_READY_ENDPOINT, "10.96.0.7:80/tcp has no backend"),
        (cluster(LOST_NODE), "node node-2", Reason.NODE_NOT_READY, "the node is not ready"),
    ],
)
def test_what_is_broken_is_named(snapshot: Snapshot, hop: str, reason: Reason | None, text: str) -> None:
    explanation = explained(snapshot, WEB)
    assert not explanation.works
    assert (hop, reason) in bad(explanation)
    assert text in texts(explanation)


TWO_ZONES = """
{apiVersion: v1, kind: Node, metadata: {name: node-1, uid: n1, labels: {topology.kubernetes.io/zone: east}},
 spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]},
 status: {addresses: [{type: InternalIP, address: 198.18.0.11}], conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-a, namespace: default, labels: {kubernetes.io/service-name: web}},
 endpoints: [{addresses: [10.244.1.2], nodeName: node-1, hints: {forZones: [{name: east}]}},
             {addresses: [10.244.2.2], nodeName: node-2, hints: {forZones: [{name: west}]}}],
 ports: [{name: "", protocol: TCP, port: 8080}]}
"""


def test_endpoints_that_hints_leave_out_are_named() -> None:
    explanation = explained(cluster(TWO_ZONES), WEB)
    assert explanation.works
    found = [(each.hop, each.text, each.reason) for each in explanation.findings if each.hop == "node node-1"]
    assert ("node node-1", "10.96.0.7:80/tcp goes to 1 backends", Reason.SAME_ZONE) in found
    assert found[-1] == ("node node-1", "1 endpoints are left out: 10.244.2.2:8080", Reason.ENDPOINT_OTHER_ZONE)
    assert "node node-2: 10.96.0.7:80/tcp goes to 2 backends" in texts(explanation)


def test_endpoints_of_other_nodes_are_named_under_a_policy_of_local() -> None:
    local = """
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default, uid: s1},
 spec: {type: NodePort, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], selector: {app: web}, externalTrafficPolicy: Local,
        ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]}}
"""
    said = texts(explained(cluster(TWO_ZONES, local), WEB))
    assert "node node-1: for connections from outside, 1 endpoints are left out: 10.244.2.2:8080" in said


def test_a_namesake_in_another_namespace_is_offered() -> None:
    assert "there is default/web" in texts(explained(cluster(), Key("shop", "web")))


PENDING = """
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default, uid: s1},
 spec: {type: LoadBalancer, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], selector: {app: web},
        ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]}}
---
{apiVersion: v1, kind: Event, metadata: {name: web.1, namespace: default}, type: Warning, reason: PoolExhausted,
 message: every pool is used up, involvedObject: {kind: Service, namespace: default, name: web, uid: s1}}
"""


def test_a_pending_address_says_why() -> None:
    explanation = explained(cluster(PENDING), WEB)
    assert ("LoadBalancer", Reason.POOL_EXHAUSTED) in bad(explanation)
    assert "every pool is used up" in texts(explanation)


def test_a_pending_address_says_what_its_condition_says() -> None:
    said = (
        "status: {conditions: [{type: moorage.dev/AddressAssigned, status: 'False', reason: NoPool, message: no pool fits}]}}"
    )
    explanation = explained(cluster(PENDING.replace("nodePort: 30080}]}}", "nodePort: 30080}]},\n " + said)), WEB)
    assert ("LoadBalancer", Reason.NO_POOL) in bad(explanation)
    assert "the address is pending: no pool fits" in texts(explanation)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("type: ExternalName, externalName: example.org", Reason.EXTERNAL_NAME),
        ("type: ClusterIP, clusterIP: None, clusterIPs: [None], selector: {app: web}, ports: [{port: 80}]", Reason.HEADLESS),
    ],
)
def test_services_without_an_address_of_their_own_work(spec: str, reason: Reason) -> None:
    manifest = f"{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}}, spec: {{{spec}}}}}"
    explanation = explained(cluster(manifest), WEB)
    assert explanation.works, texts(explanation)
    assert reason in {each.reason for each in explanation.findings}


@pytest.mark.parametrize(
    ("annotations", "reasons"),
    [
        ("", [Reason.IP_ALLOCATED, Reason.MASQUERADED]),
        ("moorage.dev/proxy-protocol: v2", [Reason.IP_ALLOCATED, Reason.PROXIED]),
        ("moorage.dev/load-balancer: announce", [Reason.IP_ALLOCATED]),
    ],
)
def test_whom_pods_see_through_the_edge_is_said(annotations: str, reasons: list[Reason]) -> None:
    served = PENDING.partition("---")[0].replace("uid: s1}", f"uid: s1, annotations: {{{annotations}}}}}")
    served = served.rstrip().removesuffix("}") + ", status: {loadBalancer: {ingress: [{ip: 198.18.100.1}]}}}"
    findings = explained(cluster(served), WEB).findings
    assert [each.reason for each in findings if each.hop == "LoadBalancer"] == reasons
