"""Short ways to write the objects that tables are made of."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from moorage.model.cluster import Node
from moorage.model.net import Address, Protocol
from moorage.model.service import PROVIDER_ANNOTATION, Service, ServiceStatus
from moorage.model.slices import SERVICE_NAME_LABEL, EndpointSlice
from moorage.table.types import AddressKind, Backend, Choice, Frontend, FrontendAddress, Locality, NodeFacts

ip = ipaddress.ip_address
net = ipaddress.ip_network

FACTS = NodeFacts(
    "node-1",
    (ip("192.168.0.1"),),
    locality=Locality(
        cluster_sources=(net("10.244.0.0/16"), net("192.168.0.1/32"), net("192.168.0.2/32")),
        pods_here=(net("10.244.0.0/24"),),
        node_port_addresses=(net("127.0.0.0/8"), net("192.168.0.1/32")),
        service_cidrs=(net("10.96.0.0/16"),),
        own=(ip("192.168.0.1"),),
    ),
)
CREATED = "2026-01-01T00:00:00Z"


def service(
    name: str = "web",
    cluster_ip: str = "10.96.0.1",
    created: str = CREATED,
    ingress: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Service:
    """A Service in JSON's spelling of `spec`; one TCP port 80 unless `ports` is given."""
    cluster_ips = spec.pop("clusterIPs", [cluster_ip] if cluster_ip else [])
    whole = {"type": "ClusterIP", "clusterIP": cluster_ip, "clusterIPs": cluster_ips, "ports": [{"port": 80}], **spec}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": created, "labels": labels or {}}
    status = {"loadBalancer": {"ingress": [{"ip": each} for each in ingress]}}
    return msgspec.convert({"metadata": metadata, "spec": whole, "status": status}, Service)


def provided(of: Service, provider: str = "edge") -> Service:
    """With the annotation that says who serves its load-balancer addresses."""
    annotations = {**of.metadata.annotations, PROVIDER_ANNOTATION: provider}
    return msgspec.structs.replace(of, metadata=msgspec.structs.replace(of.metadata, annotations=annotations))


def with_ingress(of: Service, *ingress: dict[str, str]) -> Service:
    return msgspec.structs.replace(of, status=msgspec.convert({"loadBalancer": {"ingress": ingress}}, ServiceStatus))


READY: dict[str, Any] = {"ready": True, "serving": True, "terminating": False}
TERMINATING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}
GONE: dict[str, Any] = {"ready": False, "serving": False, "terminating": True}
UNREADY: dict[str, Any] = {"ready": False, "serving": False, "terminating": False}


def endpoint(address: str, node: str = "node-1", conditions: dict[str, Any] = READY) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def slice_(
    *endpoints: dict[str, Any],
    of: str = "web",
    name: str = "",
    port: int | None = 8080,
    port_name: str = "",
    protocol: str = "TCP",
    family: str = "IPv4",
) -> EndpointSlice:
    tree = {
        "metadata": {"name": name or f"{of}-1", "namespace": "default", "labels": {SERVICE_NAME_LABEL: of} if of else {}},
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"name": port_name, "protocol": protocol, "port": port}],
    }
    return msgspec.convert(tree, EndpointSlice)


def node(name: str, *addresses: str, cidrs: tuple[str, ...] = (), labels: dict[str, str] | None = None, **more: Any) -> Node:
    tree = {
        "metadata": {"name": name, "labels": labels or {}, **more.pop("metadata", {})},
        "spec": {"podCIDRs": cidrs, **more},
        "status": {"addresses": [{"type": "InternalIP", "address": each} for each in addresses]},
    }
    return msgspec.convert(tree, Node)


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(ip(each) for each in texts)


def simple(address: str, kind: AddressKind = AddressKind.CLUSTER_IP, *backends: Backend, **more: Any) -> Frontend:
    """A frontend at port 80/tcp of an address."""
    return Frontend(FrontendAddress(ip(address), Protocol.TCP, 80), kind, Choice(backends), **more)
