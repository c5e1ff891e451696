"""Namespaces, Nodes, Leases and Events: what Services need to know of the cluster around them."""

from __future__ import annotations

from typing import Any

from moorage.model.meta import Condition, Object, ObjectReference
from moorage.model.wire import ApiType, Tree

NODE_LEASE_NAMESPACE = "kube-node-lease"
"""Where each node renews the Lease that carries its name (KEP-589)."""
KUBE_PROXY_PORT = 10256
"""Where kube-proxy says on each node how it is, by default (`healthzBindAddress`), and our agents do in its place."""
SYSTEM_NAMESPACE = "moorage-system"
"""Where the parts of Moorage keep what is theirs."""

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""A node that carries it, with whatever value, takes no traffic from load balancers."""

ZONE_LABEL = "topology.kubernetes.io/zone"
"""The label of a Node that says in which zone it is."""

TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"
"""Set by the cluster autoscaler on a node it is about to take away."""


class NamespaceSpec(ApiType, frozen=True):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(ApiType, frozen=True):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True):
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class Taint(ApiType, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class NodeSpec(ApiType, frozen=True):
    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = ""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    config_source: Tree | None = None
    external_id: str = ""


class NodeAddress(ApiType, frozen=True):
    """`type` is InternalIP, ExternalIP or Hostname."""

    type: str = ""
    address: str = ""


class NodeSystemInfo(ApiType, frozen=True):
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    operating_system: str = ""
    architecture: str = ""
    swap: Tree | None = None


class NodeStatus(ApiType, frozen=True):
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}
    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: Tree = {}
    node_info: NodeSystemInfo = NodeSystemInfo()
    images: tuple[Tree, ...] = ()
    volumes_in_use: tuple[str, ...] = ()
    volumes_attached: tuple[Tree, ...] = ()
    config: Tree | None = None
    runtime_handlers: tuple[Tree, ...] = ()
    features: Tree | None = None
    declared_features: tuple[str, ...] = ()


class Node(Object, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def internal_ips(self) -> tuple[str, ...]:
        return tuple(each.address for each in self.status.addresses if each.type == "InternalIP")


def eligible(node: Node | None) -> bool:
    """Whether load balancers may send the node new connections (KEP-3836): it is known, and not about to go away.

    Source: `NodeEligible` in kube-proxy `pkg/proxy/healthcheck/proxy_health.go`.
    """
    if node is None or node.metadata.deletion_timestamp is not None:
        return False
    return all(each.key != TO_BE_DELETED_TAINT for each in node.spec.taints)


class LeaseSpec(ApiType, frozen=True):
    """Times are RFC 3339 in UTC with microseconds (`metav1.MicroTime`)."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(Object, frozen=True):
    spec: LeaseSpec = LeaseSpec()


class EventSource(ApiType, frozen=True):
    component: str = ""
    host: str = ""


class Event(Object, frozen=True):
    """`core/v1` Event. `reason` is a member of `model.reason.Reason` when Moorage writes it."""

    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int = 0
    type: str = ""
    event_time: str | None = None
    series: dict[str, Any] | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""
