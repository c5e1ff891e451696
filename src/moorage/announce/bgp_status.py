"""What has been announced to whom -> ServiceBGPStatus objects, and the verbs that make the API hold these.

Source: MetalLB `internal/k8s/controllers/bgp_status_controller.go` (labels; one object for a node and a Service). Names are
made of both, not at random, so that a node can be given the right to its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from moorage.model.cluster import Node
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.metallb import ServiceBGPStatus, ServiceBGPStatusStatus
from moorage.model.net import Prefix
from moorage.model.verbs import Create, Delete, MergePatch, Verb

NODE_LABEL = "metallb.io/node"
_SERVICE_LABEL = "metallb.io/service-name"
_NAMESPACE_LABEL = "metallb.io/service-namespace"


def peers_by_service(
    services: Mapping[Key, Mapping[Prefix, frozenset[Key]]], sent: Mapping[Key, frozenset[Prefix]]
) -> Mapping[Key, frozenset[Key]]:
    """By Service: the BGPPeers that have been sent a prefix which covers it. Both arguments are by BGPPeer."""
    found: dict[Key, set[Key]] = {}
    for peer, prefixes in sent.items():
        for prefix in prefixes:
            for service in services.get(peer, {}).get(prefix, ()):
                found.setdefault(service, set()).add(peer)
    return {service: frozenset(peers) for service, peers in found.items()}


def statuses(node: Node, peers: Mapping[Key, frozenset[Key]]) -> Mapping[Key, ServiceBGPStatus]:
    """One object for each Service and namespace of peers, in that namespace; it goes when the Node goes."""
    made = {}
    for service, all_peers in peers.items():
        for namespace in {each.namespace for each in all_peers}:
            names = tuple(sorted(each.name for each in all_peers if each.namespace == namespace))
            obj = _status(node, service, namespace, names)
            made[obj.key] = obj
    return made


def _status(node: Node, service: Key, namespace: str, peers: tuple[str, ...]) -> ServiceBGPStatus:
    name = node.metadata.name
    owner = OwnerReference(api_version="v1", kind="Node", name=name, uid=node.metadata.uid)
    return ServiceBGPStatus(
        metadata=ObjectMeta(
            name=f"bgp-{name}-{hashlib.sha256(str(service).encode()).hexdigest()[:10]}",
            namespace=namespace,
            labels={NODE_LABEL: name, _SERVICE_LABEL: service.name, _NAMESPACE_LABEL: service.namespace},
            owner_references=(owner,),
        ),
        status=ServiceBGPStatusStatus(node=name, service_name=service.name, service_namespace=service.namespace, peers=peers),
    )


def changes(before: Mapping[Key, ServiceBGPStatus], after: Mapping[Key, ServiceBGPStatus]) -> tuple[Verb, ...]:
    """`before` is what the API holds of this node's."""
    verbs: list[Verb] = [Delete(ServiceBGPStatus, key) for key in before if key not in after]
    for key, obj in after.items():
        old = before.get(key)
        if old is None:
            verbs.append(Create(obj))
        if old is None or old.status != obj.status:
            verbs.append(MergePatch(ServiceBGPStatus, key, {"status": msgspec.to_builtins(obj.status)}, "status"))
    return tuple(verbs)


def by_key(objects: Iterable[ServiceBGPStatus]) -> Mapping[Key, ServiceBGPStatus]:
    return {each.key: each for each in objects}
