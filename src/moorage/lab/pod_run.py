"""What a kubelet knows of one Pod, and the events that change it. What follows from them is decided in `lifecycle`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.lab import containers as step
from moorage.lab.containers import BackOff, ContainerRun, Waiting, is_started
from moorage.lab.probes import ProbeKind, begin, probe_of, record
from moorage.model.pods import Container, Pod

NETWORK_RETRY = 1.0
"""Seconds until the Pod's network is tried again."""


class PodRun(msgspec.Struct, frozen=True):
    """What is known of a Pod on its node. `address` is empty until its network is there, `started_at` says when it was seen.

    `deadline` is when a deletion stops waiting for SIGTERM to do its work. `over` is set once it has nothing left to run.
    """

    started_at: float
    containers: Mapping[str, ContainerRun]
    address: str = ""
    attaching: bool = False
    attach_at: float = 0.0
    deadline: float | None = None
    over: bool = False
    finished: bool = False


def first_run(pod: Pod, now: float) -> PodRun:
    """A Pod that this kubelet has not seen before; its status tells whether an earlier kubelet ran it."""
    seen = {each.name: step.resumed(each, now) for each in pod.status.container_statuses}
    inits = {each.name: ContainerRun() for each in pod.spec.init_containers}
    containers = {each.name: seen.get(each.name, ContainerRun()) for each in pod.spec.containers}
    return PodRun(now, inits | containers, over=pod.status.phase in ("Succeeded", "Failed"))


def attached(run: PodRun, address: str) -> PodRun:
    return msgspec.structs.replace(run, address=address, attaching=False)


def not_attached(run: PodRun, now: float) -> PodRun:
    return msgspec.structs.replace(run, attaching=False, attach_at=now + NETWORK_RETRY)


def started(run: PodRun, container: Container, now: float) -> PodRun:
    """The process runs; its probes begin, those behind a startup probe once that has succeeded."""
    after = step.started(run.containers[container.name], container.image, now)
    return with_container(run, container.name, _begin_probes(container, after, now))


def not_started(run: PodRun, name: str, waiting: Waiting, now: float, back_off: BackOff) -> PodRun:
    return with_container(run, name, step.not_started(run.containers[name], waiting, now, back_off))


def exited(run: PodRun, name: str, code: int, now: float) -> PodRun:
    return with_container(run, name, step.exited(run.containers[name], code, now))


def probed(run: PodRun, container: Container, kind: ProbeKind, success: bool, now: float) -> PodRun:
    """An outcome of a container that has ended meanwhile is dropped."""
    before = run.containers[container.name]
    probe, progress = probe_of(container, kind), before.probes.get(kind)
    if probe is None or progress is None or not progress.in_flight:
        return run
    after = msgspec.structs.replace(before, probes={**before.probes, kind: record(probe, progress, success, now)})
    return with_container(run, container.name, _begin_probes(container, after, now))


def with_container(run: PodRun, name: str, container: ContainerRun) -> PodRun:
    return msgspec.structs.replace(run, containers={**run.containers, name: container})


def _begin_probes(container: Container, run: ContainerRun, now: float) -> ContainerRun:
    kinds = (ProbeKind.LIVENESS, ProbeKind.READINESS) if is_started(container, run) else (ProbeKind.STARTUP,)
    new = {
        kind: begin(kind, probe, now)
        for kind in kinds
        if kind not in run.probes and (probe := probe_of(container, kind)) is not None
    }
    return msgspec.structs.replace(run, probes={**run.probes, **new}) if new else run
