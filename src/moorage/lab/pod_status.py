"""What is known of a Pod -> the `status` that the API shows: phase, conditions and container statuses.

Source: kubelet's `getPhase` and `status/generate.go` in Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.lab.containers import CREATING, INITIALIZING, ContainerRun, Exited, Waiting, is_ready, restarts, status_of
from moorage.lab.pod_run import PodRun
from moorage.model.clock import timestamp
from moorage.model.meta import Condition, condition
from moorage.model.pods import Container, ContainerStatus, Pod, PodIP, PodStatus
from moorage.model.wire import Tree

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""Conditions that the kubelet sets; others (readiness gates) belong to others and are kept."""


def pod_status(pod: Pod, run: PodRun, previous: PodStatus, host: str, now: float) -> PodStatus:
    """`previous` is the status reported last: a condition keeps its transition time while its status stays. `host` is the
    node's address.
    """
    spec = pod.spec
    initialized = all(_done(run.containers[each.name]) for each in spec.init_containers)
    phase = _phase(pod, run, initialized)
    inits = tuple(_init_status(pod, each, run.containers[each.name]) for each in spec.init_containers)
    containers = tuple(_container_status(pod, each, run, initialized) for each in spec.containers)
    return PodStatus(
        observed_generation=pod.metadata.generation,
        phase=phase,
        conditions=_conditions(pod, run, phase, (inits, containers), previous, now),
        host_ip=host,
        host_ips=(PodIP(ip=host),),
        pod_ip=run.address,
        pod_ips=(PodIP(ip=run.address),) if run.address else (),
        start_time=pod.status.start_time or timestamp(run.started_at),
        init_container_statuses=inits,
        container_statuses=containers,
        qos_class=pod.status.qos_class,
    )


def status_patch(uid: str, status: PodStatus) -> Tree:
    """The status as a merge patch that leaves nothing of the one before; `uid` keeps it from a namesake. The QoS class is the
    API server's own.
    """
    said = msgspec.to_builtins(status)
    unsaid = {name: None for name in PodStatus.__struct_encode_fields__ if name not in said and name != "qosClass"}
    return {"metadata": {"uid": uid}, "status": unsaid | said}


def _done(run: ContainerRun) -> bool:
    return isinstance(run.state, Exited) and run.state.code == 0


def _init_status(pod: Pod, container: Container, run: ContainerRun) -> ContainerStatus:
    return status_of(container, run, _done(run), pod.metadata.uid)


def _container_status(pod: Pod, container: Container, run: PodRun, initialized: bool) -> ContainerStatus:
    status = status_of(
        container, run.containers[container.name], is_ready(container, run.containers[container.name]), pod.metadata.uid
    )
    if initialized or status.state != {"waiting": {"reason": CREATING}} or not run.address:
        return status
    return ContainerStatus(
        name=status.name, state={"waiting": {"reason": INITIALIZING}}, image=status.image, restart_count=status.restart_count
    )


def _phase(pod: Pod, run: PodRun, initialized: bool) -> str:
    policy = pod.spec.restart_policy or "Always"
    if not initialized:
        failed = run.over and policy == "Never"
        return "Failed" if failed else "Pending"
    runs = [run.containers[each.name] for each in pod.spec.containers]
    ends = [end for each in runs if (end := _end_of(each)) is not None]
    if len(ends) < len(runs):
        waiting = [each for each in runs if isinstance(each.state, Waiting) and each.last is None]
        return "Pending" if waiting else "Running"
    final = run.finished or not any(restarts(policy, each) for each in ends)
    if not final:
        return "Running"
    return "Succeeded" if all(each.code == 0 for each in ends) else "Failed"


def _end_of(run: ContainerRun) -> Exited | None:
    """How the container ended, if it does not run; a wait for the next start counts by the end before it."""
    if isinstance(run.state, Exited):
        return run.state
    return run.last if isinstance(run.state, Waiting) else None


def _conditions(
    pod: Pod,
    run: PodRun,
    phase: str,
    statuses: tuple[tuple[ContainerStatus, ...], tuple[ContainerStatus, ...]],
    previous: PodStatus,
    now: float,
) -> tuple[Condition, ...]:
    inits, containers = statuses
    completed = phase == "Succeeded"
    not_done = [each.name for each in inits if not each.ready]
    initialized = _of(
        "Initialized", not not_done, "ContainersNotInitialized", f"containers with incomplete status: {_list(not_done)}"
    )
    not_ready = [each.name for each in containers if not each.ready]
    reason, message = "ContainersNotReady", f"containers with unready status: {_list(not_ready)}"
    if phase in ("Succeeded", "Failed"):
        reason, message = ("PodCompleted", "") if completed else ("PodFailed", "")
    containers_ready = _of("ContainersReady", not not_ready, reason, message)
    closed = [gate for gate in _gates(pod) if not _is_open(pod, gate)]
    ready = _of("Ready", not not_ready, reason, message)
    if not not_ready and closed:
        text = "; ".join(f'corresponding condition of pod readiness gate "{gate}" is not set to true' for gate in closed)
        ready = _of("Ready", False, "ReadinessGatesNotReady", text)
    if completed:
        initialized = Condition(type="Initialized", status="True", reason="PodCompleted")
    alive = bool(run.address) and not run.finished
    own = (_of("PodReadyToStartContainers", alive), initialized, ready, containers_ready, _of("PodScheduled", True))
    others = [each for each in pod.status.conditions if each.type not in OWN_CONDITIONS]
    return (*(_dated(each, (*previous.conditions, *pod.status.conditions), now) for each in own), *others)


def _of(type_: str, status: bool, reason: str = "", message: str = "") -> Condition:
    """Reason and message explain a condition that is false."""
    return (
        Condition(type=type_, status="True")
        if status
        else Condition(type=type_, status="False", reason=reason, message=message)
    )


def _dated(new: Condition, known: Iterable[Condition], now: float) -> Condition:
    before = condition(tuple(known), new.type)
    same = before is not None and before.status == new.status and before.last_transition_time
    return Condition(
        type=new.type,
        status=new.status,
        reason=new.reason,
        message=new.message,
        last_transition_time=before.last_transition_time if before is not None and same else timestamp(now),
    )


def _gates(pod: Pod) -> list[str]:
    return [str(each.get("conditionType", "")) for each in pod.spec.readiness_gates]


def _is_open(pod: Pod, gate: str) -> bool:
    found = condition(pod.status.conditions, gate)
    return found is not None and found.status == "True"


def _list(names: list[str]) -> str:
    return f"[{' '.join(names)}]"
