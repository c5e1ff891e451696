"""What has been announced to whom -> ServiceBGPStatus objects.

There is one object for a node and a Service.
"""

from __future__ import annotations

from collections.abc import Mapping

from moorage.announce.statuses import labels, owner
from moorage.model.announcing import bgp_status_name
from moorage.model.cluster import Node
from moorage.model.meta import Key, ObjectMeta
from moorage.model.metallb import ServiceBGPStatus, ServiceBGPStatusStatus
from moorage.model.net import Prefix


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
    return ServiceBGPStatus(
        metadata=ObjectMeta(
            name=bgp_status_name(name, service),
            namespace=namespace,
            labels=labels(name, service),
            owner_references=(owner(node),),
        ),
        status=ServiceBGPStatusStatus(node=name, service_name=service.name, service_namespace=service.namespace, peers=peers),
    )
