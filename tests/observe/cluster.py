"""A small cluster in manifests, for the rooms that look at all of it."""

from __future__ import annotations

import yaml

from moorage.manifest.convert import decode
from moorage.model.kinds import KINDS
from moorage.model.meta import Object
from moorage.model.snapshot import Snapshot

CLUSTER = """
{apiVersion: v1, kind: Node, metadata: {name: node-1, uid: n1}, spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]},
 status: {addresses: [{type: InternalIP, address: 198.18.0.11}], conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-2, uid: n2}, spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24]},
 status: {addresses: [{type: InternalIP, address: 198.18.0.12}], conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default, uid: s1},
 spec: {type: NodePort, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], selector: {app: web},
        ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: default, uid: p1, labels: {app: web}},
 spec: {nodeName: node-1, containers: [{name: web, image: moorage/echo}]},
 status: {phase: Running, podIP: 10.244.1.2, conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-a, namespace: default, labels: {kubernetes.io/service-name: web}},
 endpoints: [{addresses: [10.244.1.2], nodeName: node-1, conditions: {ready: true}}],
 ports: [{name: "", protocol: TCP, port: 8080}]}
"""

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in KINDS}


def objects(manifests: str) -> list[Object]:
    trees = [each for each in yaml.safe_load_all(manifests) if each]
    return [decode(_BY_NAME[each["apiVersion"], each["kind"]], each).obj for each in trees]


def cluster(*more: str, without: tuple[str, ...] = ()) -> Snapshot:
    """The cluster above with these manifests added or replaced, and without the objects of these kinds."""
    found = {(type(each), each.key): each for each in objects("\n---\n".join((CLUSTER, *more)))}
    return Snapshot.of(each for each in found.values() if each.kind not in without)
