"""Pods without a node + Nodes -> bindings: a small scheduler for the lab.

Filters as upstream does: ready, schedulable, node selector, taints. Then the node with the fewest Pods of the same labels, of
those the one with the fewest Pods, of those the first by name. Resources, affinity and priorities are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from moorage.control.in_flight import InFlight
from moorage.control.taints import UNSCHEDULABLE, untolerated
from moorage.control.types import Plan
from moorage.model.cluster import Node
from moorage.model.meta import Key, Object, is_true
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Bind, Note, Verb

SCHEDULER_NAME = "default-scheduler"

Group = tuple[str, frozenset[tuple[str, str]]]
"""A namespace and a set of labels: the Pods of one workload."""


class _Place(msgspec.Struct, frozen=True):
    node: str
    group: Group


class Placements:
    """How many Pods each node has, in total and of each group, bindings that are under way included."""

    def __init__(self) -> None:
        self._places: dict[Key, _Place] = {}
        self._total: Counter[str] = Counter()
        self._by_group: dict[Group, Counter[str]] = {}

    def put(self, pod: Pod, node: str) -> None:
        """Replaces what was known of the Pod. An empty node takes it away."""
        self.drop(pod.key)
        if node:
            place = _Place(node, group_of(pod))
            self._places[pod.key] = place
            self._total[node] += 1
            self._by_group.setdefault(place.group, Counter())[node] += 1

    def drop(self, pod: Key) -> None:
        place = self._places.pop(pod, None)
        if place is not None:
            self._total[place.node] -= 1
            self._by_group[place.group][place.node] -= 1
            if not self._by_group[place.group].total():
                del self._by_group[place.group]

    def pods(self) -> frozenset[Key]:
        return frozenset(self._places)

    def load(self, node: str, group: Group) -> tuple[int, int, str]:
        """The order in which nodes are preferred, least first."""
        return self._by_group.get(group, Counter())[node], self._total[node], node


class Scheduler:
    """Binds what can be bound and says so once it is seen; says once per Pod and cause why the others cannot be."""

    name = SCHEDULER_NAME
    wants: tuple[type[Object], ...] = (Pod, Node)

    def __init__(self) -> None:
        self._in_flight = InFlight()
        self._placements = Placements()
        self._waiting: dict[Key, None] = {}
        self._chosen: dict[Key, str] = {}
        self._said: dict[Key, str] = {}

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """Tries every waiting Pod again: any change may have made room for it."""
        keys = {*snapshot.all(Pod), *self._placements.pods()} if changes.everything else changes.of(Pod)
        verbs: list[Verb] = []
        for key in sorted(keys):
            verbs += self._see(key, snapshot.get(Pod, key))
        wakes: list[float] = []
        for key in self._waiting:
            blocked = self._in_flight.blocked_until(key, snapshot, now)
            if blocked is not None:
                wakes.append(blocked)
                continue
            planned = self._place(snapshot.all(Pod)[key], snapshot.all(Node))
            self._in_flight.sent(key, planned, snapshot, now)
            verbs += planned
        return Plan(tuple(verbs), min(wakes, default=None))

    def failed(self, verbs: Sequence[Verb]) -> None:
        for key in self._in_flight.failed(verbs):
            self._chosen.pop(key, None)
            self._placements.drop(key)

    def _see(self, key: Key, pod: Pod | None) -> list[Verb]:
        """Takes in one Pod. A Pod whose binding is not visible yet keeps the place that was chosen for it."""
        if pod is not None and _is_waiting(pod):
            self._waiting[key] = None
            return []
        self._waiting.pop(key, None)
        self._said.pop(key, None)
        chosen = self._chosen.pop(key, "")
        if pod is None or pod.status.phase in ("Succeeded", "Failed"):
            self._placements.drop(key)
            return []
        self._placements.put(pod, pod.spec.node_name)
        if not chosen or chosen != pod.spec.node_name:
            return []
        return [Note(pod, Reason.SCHEDULED, f"Successfully assigned {key} to {chosen}")]

    def _place(self, pod: Pod, nodes: Mapping[Key, Node]) -> list[Verb]:
        refusals = {key.name: refusal(pod, node) for key, node in nodes.items()}
        fitting = [name for name, refused in refusals.items() if refused is None]
        if not fitting:
            return self._explain(pod, refusals)
        group = group_of(pod)
        node = min(fitting, key=lambda name: self._placements.load(name, group))
        self._placements.put(pod, node)
        self._chosen[pod.key] = node
        return [Bind(pod.key, pod.metadata.uid, node)]

    def _explain(self, pod: Pod, refusals: Mapping[str, str | None]) -> list[Verb]:
        message = _summary(refusals)
        if self._said.get(pod.key) == message:
            return []
        self._said[pod.key] = message
        return [Note(pod, Reason.FAILED_SCHEDULING, message, warning=True)]


def group_of(pod: Pod) -> Group:
    return pod.metadata.namespace, frozenset(pod.metadata.labels.items())


def refusal(pod: Pod, node: Node) -> str | None:
    """Why the Pod cannot go to the node, in upstream's words, or None where it can."""
    if node.spec.unschedulable and not any(_tolerates_unschedulable(each) for each in pod.spec.tolerations):
        return "node(s) were unschedulable"
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    taint = untolerated(node.spec.taints, pod.spec.tolerations)
    if taint is not None:
        return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    if not is_true(node.status.conditions, "Ready"):
        return "node(s) were not ready"
    return None


def _tolerates_unschedulable(toleration: Mapping[str, object]) -> bool:
    return toleration.get("operator") == "Exists" and toleration.get("key") in (None, "", UNSCHEDULABLE)


def _is_waiting(pod: Pod) -> bool:
    return (
        not pod.spec.node_name
        and pod.metadata.deletion_timestamp is None
        and pod.spec.scheduler_name in ("", SCHEDULER_NAME)
        and pod.status.phase not in ("Succeeded", "Failed")
    )


def _summary(refusals: Mapping[str, str | None]) -> str:
    """`0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {a: b}.`"""
    if not refusals:
        return "no nodes available to schedule pods"
    counted = Counter(reason for reason in refusals.values() if reason is not None)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    return f"0/{len(refusals)} nodes are available: {listed}."
