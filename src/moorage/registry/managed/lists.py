"""How lists and maps of the API types are owned: as a whole, or item by item.

Source: the markers `+listType`, `+listMapKey`, `+mapType` and `+structType` of the Kubernetes 1.36 API types, as client-go's
`applyconfigurations/internal` sums them up. What is not named here has the default: a list is one value (atomic), a map and
a struct are owned field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.model.cluster import NamespaceStatus, NodeSpec, NodeStatus
from moorage.model.config import ServiceAccount
from moorage.model.ingress import ServiceBackendPort, TypedLocalObjectReference
from moorage.model.meta import ObjectMeta, ObjectReference, OwnerReference
from moorage.model.pods import Container, PodSpec, PodStatus
from moorage.model.service import ServiceSpec, ServiceStatus
from moorage.model.service_cidrs import ServiceCIDRStatus
from moorage.model.wire import ApiType


class Keyed(msgspec.Struct, frozen=True):
    """A list whose items are told apart by the values of `keys` (listType=map). `of` types items that have no type here;
    `whole` items have one owner each.
    """

    keys: tuple[str, ...]
    of: type[ApiType] | None = None
    whole: bool = False


ATOMIC = "atomic"
"""The value has one owner, whatever is inside."""
SET = "set"
"""A list of plain values, each with its own owners (listType=set)."""
ALWAYS = "always"
"""A loose struct that upstream holds by value: it is there even when it is empty."""

Rule = Keyed | str

_TYPE, _NAME = Keyed(("type",)), Keyed(("name",))

FIELDS: Mapping[type[ApiType], Mapping[str, Rule]] = {
    ObjectMeta: {"ownerReferences": Keyed(("uid",)), "finalizers": SET},
    ServiceSpec: {"ports": Keyed(("port", "protocol")), "selector": ATOMIC},
    ServiceStatus: {"conditions": _TYPE},
    ServiceAccount: {"secrets": _NAME},
    ServiceCIDRStatus: {"conditions": _TYPE},
    NamespaceStatus: {"conditions": _TYPE},
    NodeSpec: {"podCIDRs": SET},
    NodeStatus: {"conditions": _TYPE, "addresses": _TYPE, "daemonEndpoints": ALWAYS},
    PodSpec: {
        "containers": _NAME,
        "initContainers": _NAME,
        "ephemeralContainers": Keyed(("name",), Container),
        "volumes": _NAME,
        "imagePullSecrets": Keyed(("name",), whole=True),
        "hostAliases": Keyed(("ip",)),
        "nodeSelector": ATOMIC,
        "resourceClaims": _NAME,
        "schedulingGates": _NAME,
        "topologySpreadConstraints": Keyed(("topologyKey", "whenUnsatisfiable")),
    },
    PodStatus: {"conditions": _TYPE, "podIPs": Keyed(("ip",)), "resourceClaimStatuses": _NAME},
    Container: {
        "env": _NAME,
        "ports": Keyed(("containerPort", "protocol")),
        "resources": ALWAYS,
        "volumeMounts": Keyed(("mountPath",)),
        "volumeDevices": Keyed(("devicePath",)),
    },
}
"""By type and wire name."""

ATOMIC_TYPES: tuple[type[ApiType], ...] = (OwnerReference, ObjectReference, ServiceBackendPort, TypedLocalObjectReference)
"""Structs with one owner for all their fields (structType=atomic)."""

LOOSE: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "configMapKeyRef",
            "dataSource",
            "fieldRef",
            "fileKeyRef",
            "labelSelector",
            "namespaceSelector",
            "nodePublishSecretRef",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "resourceFieldRef",
            "secretKeyRef",
            "secretRef",
            "selector",
        ),
        ATOMIC,
    ),
    "claims": _NAME,
}
"""Fields inside the parts of a Pod that have no type here (volumes, resources, affinity, ...), by name alone."""

KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
"""What a missing key of a list item stands for."""

UNTRACKED = frozenset(
    {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"}
)
"""Fields of `metadata` that nobody owns. Source: apimachinery `managedfields/internal/stripmeta.go`."""
