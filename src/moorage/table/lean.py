"""What a node holds of Services, EndpointSlices and Nodes: what it reads, and of equal parts one.

    Node            labels, taints, Pod networks, addresses, conditions without their heartbeats, annotations of ours
    Service         without field owners, owner references and annotations of others
    EndpointSlice   the same, and of each endpoint its addresses, conditions, hostname, node and hints

An endpoint takes 200 bytes then (80 the struct, 64 its address, 48 the tuple around that, 8 its place in the slice), with a
`targetRef` and parts of its own it takes 800. Nothing lean is ever sent to the API: what was left out would be lost there.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TypeVar

from msgspec.structs import replace

from moorage.model.cluster import Node, NodeSpec, NodeStatus
from moorage.model.meta import Object, ObjectMeta
from moorage.model.service import Service
from moorage.model.slices import Endpoint, EndpointSlice

T = TypeVar("T")

SLICE_ANNOTATIONS = ("moorage.dev/",)
SERVICE_ANNOTATIONS = ("moorage.dev/", "metallb.io/")
NODE_ANNOTATIONS = ("moorage.dev/", "lab.moorage.dev/", "metallb.io/")
"""How the annotations begin that are kept."""

_EMPTY: dict[str, str] = {}
"""Stands for every empty map: nobody writes into the values of the API."""


def lean(obj: Object) -> Object:
    """What is held of an object: `client.mirror_io.Want.keep`. Other kinds stay as they are."""
    match obj:
        case EndpointSlice():
            return lean_slice(obj)
        case Service():
            return lean_service(obj)
        case Node():
            return lean_node(obj)
    return obj


def lean_node(node: Node) -> Node:
    """The same Node with what a node agent reads of it. A kubelet that only says that it is still there changes nothing of
    that: it writes its status every 5 minutes, 10 kB and more.
    """
    spec, status = node.spec, node.status
    conditions = tuple(replace(each, last_heartbeat_time=None) for each in status.conditions)
    return Node(
        api_version=intern(node.api_version),
        kind=intern(node.kind),
        metadata=_lean_meta(node.metadata, NODE_ANNOTATIONS),
        spec=NodeSpec(pod_cidr=spec.pod_cidr, pod_cidrs=spec.pod_cidrs, unschedulable=spec.unschedulable, taints=spec.taints),
        status=NodeStatus(conditions=conditions, addresses=status.addresses),
    )


def lean_slice(slice_: EndpointSlice) -> EndpointSlice:
    """The same slice with what a node uses."""
    endpoints = tuple(
        [
            Endpoint(
                addresses=each.addresses,
                conditions=_one(each.conditions),
                hostname=each.hostname,
                deprecated_topology=_EMPTY,
                node_name=None if each.node_name is None else intern(each.node_name),
                hints=None if each.hints is None else _one(each.hints),
            )
            for each in slice_.endpoints
        ]
    )
    return EndpointSlice(
        api_version=intern(slice_.api_version),
        kind=intern(slice_.kind),
        metadata=_lean_meta(slice_.metadata, SLICE_ANNOTATIONS),
        address_type=intern(slice_.address_type),
        endpoints=endpoints,
        ports=_one(slice_.ports),
    )


def lean_service(service: Service) -> Service:
    """The same Service with what a node uses: all of its specification and status."""
    spec = service.spec
    spec = replace(
        spec,
        ports=_one(spec.ports),
        type=intern(spec.type),
        session_affinity=intern(spec.session_affinity),
        ip_families=_one(spec.ip_families),
        ip_family_policy=_one(spec.ip_family_policy),
        internal_traffic_policy=_one(spec.internal_traffic_policy),
        external_traffic_policy=intern(spec.external_traffic_policy),
    )
    return Service(
        api_version=intern(service.api_version),
        kind=intern(service.kind),
        metadata=_lean_meta(service.metadata, SERVICE_ANNOTATIONS),
        spec=spec,
        status=service.status,
    )


@lru_cache(maxsize=4096)
def _one(value: T) -> T:
    """The first of equal values, as long as it is seen now and then."""
    return value


def _lean_meta(meta: ObjectMeta, annotations: tuple[str, ...]) -> ObjectMeta:
    return replace(
        meta,
        namespace=intern(meta.namespace),
        labels={intern(name): intern(value) for name, value in meta.labels.items()} or _EMPTY,
        annotations={name: value for name, value in meta.annotations.items() if name.startswith(annotations)} or _EMPTY,
        owner_references=(),
        managed_fields=None,
    )
