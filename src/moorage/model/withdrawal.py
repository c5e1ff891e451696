"""Acknowledged withdrawal: nodes and edges say what their kernels hold, and a Pod says that nobody sends to it any more.

    Lease moorage-system/applied-node-NODE, applied-edge-NAME      of each node agent and each edge
        annotation moorage.dev/applied-endpointslices              the resourceVersion of EndpointSlices in its kernel
    Pod, condition moorage.dev/withdrawn                           on a terminating Pod, from the controller
    Pod, annotation moorage.dev/wait-for-withdrawal: "true"        SIGTERM waits for the condition

resourceVersions of one resource are numbers that grow (KEP-5504).
"""

from __future__ import annotations

from moorage.model.cluster import SYSTEM_NAMESPACE, Lease
from moorage.model.meta import Key, is_true
from moorage.model.pods import Pod

WITHDRAWN = "moorage.dev/withdrawn"
"""The type of the condition. `kubectl wait --for=condition=moorage.dev/withdrawn pod/NAME` waits for it."""
WAIT_ANNOTATION = "moorage.dev/wait-for-withdrawal"
APPLIED_ANNOTATION = "moorage.dev/applied-endpointslices"

NODE, EDGE = "node", "edge"
_PREFIX = "applied-"

EDGE_LEASE_SECONDS = 30
"""`spec.leaseDurationSeconds` of an edge: it has no Node to tell that it lives. In a node's Lease it is not looked at."""


def applied_lease_key(role: str, name: str) -> Key:
    """`role` is NODE or EDGE."""
    return Key(SYSTEM_NAMESPACE, f"{_PREFIX}{role}-{name}")


def whose(lease: Lease) -> tuple[str, str] | None:
    """The role and the name of who says with this Lease what it has applied; None for a Lease about something else."""
    if lease.metadata.namespace != SYSTEM_NAMESPACE or not lease.metadata.name.startswith(_PREFIX):
        return None
    role, _, name = lease.metadata.name.removeprefix(_PREFIX).partition("-")
    return (role, name) if role in (NODE, EDGE) and name else None


def applied_version(lease: Lease) -> int:
    """0 where nothing is said, or no number."""
    return version_number(lease.metadata.annotations.get(APPLIED_ANNOTATION, ""))


def version_number(resource_version: str) -> int:
    return int(resource_version) if resource_version.isdecimal() and resource_version.isascii() else 0


def waits_for_withdrawal(pod: Pod) -> bool:
    return pod.metadata.annotations.get(WAIT_ANNOTATION) == "true"


def is_withdrawn(pod: Pod) -> bool:
    return is_true(pod.status.conditions, WITHDRAWN)
