"""What ServiceL2Status and ServiceBGPStatus objects have in common: labels, owners, and the verbs that make the API hold them.

Source: MetalLB `internal/k8s/controllers/layer2_status_controller.go`, `bgp_status_controller.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from moorage.model.announcing import bgp_status_node, l2_status_node
from moorage.model.cluster import Node
from moorage.model.meta import Key, OwnerReference
from moorage.model.metallb import ServiceBGPStatus, ServiceL2Status
from moorage.model.verbs import Create, Delete, MergePatch, Verb

NODE_LABEL, SERVICE_LABEL, NAMESPACE_LABEL = "metallb.io/node", "metallb.io/service-name", "metallb.io/service-namespace"
LONGEST_LABEL = 63

S = TypeVar("S", ServiceL2Status, ServiceBGPStatus)


def labels(node: str, service: Key) -> dict[str, str]:
    """A name that is too long for a label is left out."""
    found = {NODE_LABEL: node, SERVICE_LABEL: service.name, NAMESPACE_LABEL: service.namespace}
    return {name: value for name, value in found.items() if len(value) <= LONGEST_LABEL}


def selector(node: str) -> str:
    """What a node's have in common; everything, where its name is too long for a label."""
    return f"{NODE_LABEL}={node}" if len(node) <= LONGEST_LABEL else ""


def is_ours(status: S, node: str) -> bool:
    """Whether an agent of this node has made it. MetalLB's speakers label theirs in the same way."""
    if isinstance(status, ServiceL2Status):
        return l2_status_node(status.key) == node
    return bgp_status_node(status.key.name) == node


def owner(node: Node) -> OwnerReference:
    """They go with their Node object."""
    return OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)


def changes(before: Mapping[Key, S], after: Mapping[Key, S]) -> tuple[Verb, ...]:
    """`before` is what the API holds of a node's."""
    verbs: list[Verb] = [Delete(type(obj), key) for key, obj in before.items() if key not in after]
    for key, obj in after.items():
        old = before.get(key)
        if old is None:
            verbs.append(Create(obj))
        if old is None or old.status != obj.status:
            nothing = dict.fromkeys(obj.status.__struct_encode_fields__)
            patch = {"status": {**nothing, **msgspec.to_builtins(obj.status)}}
            verbs.append(MergePatch(type(obj), key, patch, "status"))
    return tuple(verbs)
