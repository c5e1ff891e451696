"""A lab machine -> its Node object and its Lease, as a kubelet reports them."""

from __future__ import annotations

import msgspec

from moorage.lab.plan import Machine
from moorage.model.clock import micro_timestamp, timestamp
from moorage.model.cluster import (
    NODE_LEASE_NAMESPACE,
    Lease,
    LeaseSpec,
    Node,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
)
from moorage.model.meta import Condition, Key, ObjectMeta, OwnerReference, condition, is_true

KUBELET_VERSION = "v1.36.0+moorage"
MAX_PODS = 110
"""kubelet's default; a /24 holds more."""

_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class Host(msgspec.Struct, frozen=True):
    """The Linux machine that all lab machines share. `memory` is in KiB."""

    kernel: str
    system: str
    architecture: str
    processors: int
    memory: int


def node_object(machine: Machine, host: Host, now: float) -> Node:
    """The Node as it is registered."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(host.architecture, host.architecture)
    labels = {
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
    }
    cidr = str(machine.pod_cidr)
    resources = {"cpu": str(host.processors), "memory": f"{host.memory}Ki", "pods": str(MAX_PODS)}
    return Node(
        api_version="v1",
        kind="Node",
        metadata=ObjectMeta(name=machine.name, labels=labels),
        spec=NodeSpec(pod_cidr=cidr, pod_cidrs=(cidr,)),
        status=NodeStatus(
            capacity=resources,
            allocatable=resources,
            conditions=conditions((), now),
            addresses=(
                NodeAddress(type="InternalIP", address=str(machine.address)),
                NodeAddress(type="Hostname", address=machine.name),
            ),
            node_info=NodeSystemInfo(
                kernel_version=host.kernel,
                os_image=host.system,
                container_runtime_version="lab://1",
                kubelet_version=KUBELET_VERSION,
                operating_system="linux",
                architecture=architecture,
            ),
        ),
    )


def conditions(before: tuple[Condition, ...], now: float) -> tuple[Condition, ...]:
    """Ready, with no pressure of any kind. Transition times stay where a status does, conditions of others are kept."""
    own = []
    for type_, status, reason, message in _CONDITIONS:
        known = condition(before, type_)
        since = known.last_transition_time if known is not None and known.status == status else None
        own.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_heartbeat_time=timestamp(now),
                last_transition_time=since or timestamp(now),
            )
        )
    names = {each[0] for each in _CONDITIONS}
    return (*(each for each in before if each.type not in names), *own)


def is_reported_ready(node: Node) -> bool:
    return is_true(node.status.conditions, "Ready")


def lease_key(node: str) -> Key:
    return Key(NODE_LEASE_NAMESPACE, node)


def lease(node: Node, seconds: int, now: float) -> Lease:
    """The Lease at its creation; it goes when the Node goes."""
    owner = OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)
    return Lease(
        api_version="coordination.k8s.io/v1",
        kind="Lease",
        metadata=ObjectMeta(name=node.metadata.name, namespace=NODE_LEASE_NAMESPACE, owner_references=(owner,)),
        spec=LeaseSpec(holder_identity=node.metadata.name, lease_duration_seconds=seconds, renew_time=micro_timestamp(now)),
    )
