"""Leases -> the health of Nodes, as upstream's node lifecycle controller decides it (KEP-589).

A Node whose Lease stands still for `grace` seconds gets the conditions Unknown, its Pods get Ready=False (EndpointSlices then
drop them), and after that the Node gets the taints that its conditions ask for. When its kubelet speaks again it sets the
conditions itself, and the taints go. Nothing is evicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from moorage.control.hearing import Hearing
from moorage.control.in_flight import InFlight
from moorage.control.taints import with_condition_taints
from moorage.control.types import Plan
from moorage.model.clock import timestamp
from moorage.model.cluster import NODE_LEASE_NAMESPACE, Lease, Node
from moorage.model.meta import Condition, Key, Object, condition
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import MergePatch, Note, Verb
from moorage.model.wire import Tree

KUBERNETES_GRACE = 40.0
"""Seconds. Source: kube-controller-manager `--node-monitor-grace-period`, before 1.32."""

KUBELET_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
SILENT = "Kubelet stopped posting node status."
NEVER_SPOKE = "Kubelet never posted node status."


class NodeHealthController:
    """`grace` in seconds. Two clocks are never compared: a Lease is stale when its text stood still on this one's clock."""

    name = "node-controller"
    wants: tuple[type[Object], ...] = (Node, Lease, Pod)

    def __init__(self, grace: float = KUBERNETES_GRACE) -> None:
        self._hearing = Hearing(grace)
        self._in_flight = InFlight()
        self._pods_by_node: dict[str, set[Key]] = {}
        self._node_of: dict[Key, str] = {}

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """Looks at every Node each time: they are few, and most of the work is comparing a Lease with the one before."""
        self._see_pods(snapshot, changes)
        nodes = snapshot.all(Node)
        heard = self._hearing.listen(
            {key.name: _sign_of_life(key.name, node, snapshot) for key, node in nodes.items()}, snapshot, now
        )
        verbs: list[Verb] = list(heard.verbs)
        wakes = [heard.wake_at]
        for key, node in sorted(nodes.items()):
            blocked = self._in_flight.blocked_until(key, snapshot, now)
            if blocked is not None:
                wakes.append(blocked)
                continue
            planned = self._plan(node, key.name in heard.silent, snapshot, now)
            self._in_flight.sent(key, planned, snapshot, now)
            verbs += planned
        return Plan(tuple(verbs), min(wakes))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._in_flight.failed(verbs)

    def _plan(self, node: Node, silent: bool, snapshot: Snapshot, now: float) -> list[Verb]:
        """One write of the Node at a time: its conditions, and once they are seen, the taints that follow from them."""
        verbs: list[Verb] = []
        if silent:
            conditions = _unknown(node, now)
            if conditions != node.status.conditions:
                message = f"Node {node.metadata.name} status is now: {Reason.NODE_NOT_READY.value}"
                verbs.append(_patch(node, {"status": {"conditions": msgspec.to_builtins(conditions)}}, "status"))
                verbs.append(Note(node, Reason.NODE_NOT_READY, message))
            verbs += self._without_ready_pods(node, snapshot, now)
        if not verbs:
            taints = with_condition_taints(node, now)
            if taints != node.spec.taints:
                verbs.append(_patch(node, {"spec": {"taints": msgspec.to_builtins(taints) or None}}))
        return verbs

    def _without_ready_pods(self, node: Node, snapshot: Snapshot, now: float) -> list[Verb]:
        """Ready=False for each Pod of a silent Node that still says True."""
        verbs: list[Verb] = []
        for key in sorted(self._pods_by_node.get(node.metadata.name, ())):
            pod = snapshot.get(Pod, key)
            if pod is None or not any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions):
                continue
            changed = [
                msgspec.structs.replace(each, status="False", last_transition_time=timestamp(now))
                if each.type == "Ready"
                else each
                for each in pod.status.conditions
            ]
            verbs.append(_patch(pod, {"status": {"conditions": msgspec.to_builtins(changed)}}, "status"))
            verbs.append(Note(pod, Reason.NODE_NOT_READY, "Node is not ready", warning=True))
        return verbs

    def _see_pods(self, snapshot: Snapshot, changes: Changes) -> None:
        """Keeps the Pods of each node."""
        if changes.everything:
            self._pods_by_node, self._node_of = {}, {}
        for key in snapshot.all(Pod) if changes.everything else changes.of(Pod):
            pod = snapshot.get(Pod, key)
            node = pod.spec.node_name if pod is not None else ""
            if self._node_of.get(key, "") == node:
                continue
            self._pods_by_node.get(self._node_of.pop(key, ""), set()).discard(key)
            if node:
                self._node_of[key] = node
                self._pods_by_node.setdefault(node, set()).add(key)


def _sign_of_life(name: str, node: Node, snapshot: Snapshot) -> Any:
    """What changes whenever the kubelet speaks: its Lease, and where it has none the heartbeat of its Ready condition."""
    lease = snapshot.get(Lease, Key(NODE_LEASE_NAMESPACE, name))
    ready = condition(node.status.conditions, "Ready")
    return lease.spec.renew_time if lease else None, ready.last_heartbeat_time if ready else None


def _unknown(node: Node, now: float) -> tuple[Condition, ...]:
    """The Node's conditions when nobody vouches for them. Those that no kubelet sets are left alone."""
    changed = []
    for each in node.status.conditions:
        if each.type in KUBELET_CONDITIONS and each.status != "Unknown":
            each = msgspec.structs.replace(
                each,
                status="Unknown",
                reason=Reason.NODE_STATUS_UNKNOWN.value,
                message=SILENT,
                last_transition_time=timestamp(now),
            )
        changed.append(each)
    if condition(changed, "Ready") is None:
        changed.append(
            Condition(
                type="Ready",
                status="Unknown",
                reason="NodeStatusNeverUpdated",
                message=NEVER_SPOKE,
                last_transition_time=timestamp(now),
            )
        )
    return tuple(changed)


def _patch(obj: Node | Pod, tree: Tree, subresource: str = "") -> MergePatch:
    """A patch of this version of the object: a kubelet that wrote in between wins."""
    guard = {"metadata": {"resourceVersion": obj.metadata.resource_version}}
    return MergePatch(type(obj), obj.key, {**tree, **guard}, subresource)
