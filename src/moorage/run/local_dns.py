"""The slice by which a node's agent offers its own DNS server as an endpoint of the cluster DNS Service."""

from __future__ import annotations

import msgspec

from moorage.model.cluster import Node
from moorage.model.meta import Key, ObjectMeta, ObjectReference, OwnerReference
from moorage.model.net import Family, parse_address
from moorage.model.service import Service
from moorage.model.slices import (
    MANAGED_BY_LABEL,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from moorage.model.snapshot import Snapshot
from moorage.model.verbs import Create, Update, Verb

DNS_NAMESPACE = "kube-system"
DNS_SERVICE = "kube-dns"
MANAGER = "node-dns.moorage.dev"


def dns_slice_key(node_name: str) -> Key:
    """The node's own slice."""
    return Key(DNS_NAMESPACE, f"{DNS_SERVICE}-{node_name}")


def dns_verbs(snapshot: Snapshot, node_name: str, port: int) -> tuple[Verb, ...]:
    """What to write so that the node's slice is right; nothing when it is, or while the node or the Service is unknown."""
    node = snapshot.get(Node, Key("", node_name))
    wanted = dns_slice(node, port) if node else None
    if wanted is None or snapshot.get(Service, Key(DNS_NAMESPACE, DNS_SERVICE)) is None:
        return ()
    present = snapshot.get(EndpointSlice, wanted.key)
    if present is None:
        return (Create(wanted),)
    if (present.endpoints, present.ports) == (wanted.endpoints, wanted.ports):
        return ()
    version = present.metadata.resource_version
    return (
        Update(msgspec.structs.replace(wanted, metadata=msgspec.structs.replace(wanted.metadata, resource_version=version))),
    )


def dns_slice(node: Node, port: int) -> EndpointSlice | None:
    """One ready endpoint, the node's first InternalIP; None as long as the node has no address.

    The Service sends each Pod to its own node (`internalTrafficPolicy: Local`), so a slice of a lost node disturbs nobody; its
    owner reference takes it away with the Node object.
    """
    address = next(iter(node.internal_ips), None)
    parsed = parse_address(address) if address else None
    if address is None or parsed is None:
        return None
    name = node.metadata.name
    key = dns_slice_key(name)
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=ObjectMeta(
            name=key.name,
            namespace=key.namespace,
            labels={SERVICE_NAME_LABEL: DNS_SERVICE, MANAGED_BY_LABEL: MANAGER},
            owner_references=(OwnerReference(api_version="v1", kind="Node", name=name, uid=node.metadata.uid),),
        ),
        address_type=Family.of(parsed).value,
        endpoints=(
            Endpoint(
                addresses=(address,),
                conditions=EndpointConditions(ready=True, serving=True, terminating=False),
                target_ref=ObjectReference(kind="Node", name=name, uid=node.metadata.uid),
                node_name=name,
            ),
        ),
        ports=(
            EndpointPort(name="dns", protocol="UDP", port=port),
            EndpointPort(name="dns-tcp", protocol="TCP", port=port),
        ),
    )
