"""Taints and tolerations. Source: upstream `pkg/controller/nodelifecycle` and `k8s.io/component-helpers/scheduling/corev1`."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.model.clock import timestamp
from moorage.model.cluster import Node, Taint
from moorage.model.meta import condition
from moorage.model.wire import Tree

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_BY_CONDITION = (
    ("Ready", "Unknown", UNREACHABLE, (NO_SCHEDULE, NO_EXECUTE)),
    ("Ready", "False", NOT_READY, (NO_SCHEDULE, NO_EXECUTE)),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure", (NO_SCHEDULE,)),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure", (NO_SCHEDULE,)),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure", (NO_SCHEDULE,)),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable", (NO_SCHEDULE,)),
)
"""Condition, its status, the taint it asks for, and that taint's effects."""

_MANAGED = frozenset({UNSCHEDULABLE, *(key for _, _, key, _ in _BY_CONDITION)})


def with_condition_taints(node: Node, now: float) -> tuple[Taint, ...]:
    """The Node's taints as its conditions and `spec.unschedulable` ask for them; those of other keys stay as they are."""
    asked = {(UNSCHEDULABLE, NO_SCHEDULE)} if node.spec.unschedulable else set()
    for type_, status, key, effects in _BY_CONDITION:
        found = condition(node.status.conditions, type_)
        if found is not None and found.status == status:
            asked |= {(key, effect) for effect in effects}
    kept = tuple(each for each in node.spec.taints if each.key not in _MANAGED or (each.key, each.effect) in asked)
    present = {(each.key, each.effect) for each in kept}
    return kept + tuple(Taint(key=key, effect=effect, time_added=timestamp(now)) for key, effect in sorted(asked - present))


def untolerated(taints: Sequence[Taint], tolerations: Sequence[Tree]) -> Taint | None:
    """The first taint that keeps a Pod with these tolerations from being placed, or None. PreferNoSchedule keeps nobody."""
    binding = (each for each in taints if each.effect in (NO_SCHEDULE, NO_EXECUTE))
    return next((each for each in binding if not any(_tolerates(one, each) for one in tolerations)), None)


def _tolerates(toleration: Tree, taint: Taint) -> bool:
    """An empty effect tolerates all effects, an empty key with Exists tolerates all taints."""
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("key") not in (None, "", taint.key):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.value
