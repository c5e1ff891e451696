"""Drives the pure Pod life cycle as a kubelet would, with events given by the test instead of processes."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.lab import pod_run
from moorage.lab.containers import BackOff, Waiting
from moorage.lab.lifecycle import Action, Attach, Attempt, Finish, Remark, Signal, Start, decide
from moorage.lab.pod_run import first_run
from moorage.lab.pod_status import pod_status
from moorage.lab.probes import ProbeKind
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec, PodStatus

BACK_OFF = BackOff(10.0, 300.0)


def make_pod(*containers: Container, status: PodStatus = PodStatus(), **spec: Any) -> Pod:  # noqa: B008 -- a frozen value
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-1", generation=2),
        spec=PodSpec(containers=containers or (Container(name="web", image="moorage/echo"),), node_name="node-1", **spec),
        status=status,
    )


class Driven:
    """One Pod. `now` is set by the test; `said` and `did` are what the last `go` noted and asked for."""

    def __init__(self, pod: Pod, now: float = 1000.0) -> None:
        self.pod, self.now = pod, now
        self.run = first_run(pod, now)
        self.wake_at: float | None = None
        self.said: list[Remark] = []
        self.known = pod.status

    def go(self, now: float | None = None) -> list[str]:
        """Decides at `now`; the actions in short: `start web`, `term web`, `kill web`, `readiness web`, `attach`, `finish`."""
        self.now = self.now if now is None else now
        decision = decide(self.pod, self.run, self.now, BACK_OFF)
        self.run, self.wake_at, self.said = decision.run, decision.wake_at, list(decision.notes)
        return [_short(each) for each in decision.actions]

    def attached(self) -> list[str]:
        self.run = pod_run.attached(self.run, "10.244.1.2")
        return self.go()

    def started(self, name: str = "web") -> list[str]:
        self.run = pod_run.started(self.run, self.container(name), self.now)
        return self.go()

    def not_started(self, reason: str, name: str = "web") -> list[str]:
        self.run = pod_run.not_started(self.run, name, Waiting(reason), self.now, BACK_OFF)
        return self.go()

    def exited(self, code: int, name: str = "web") -> list[str]:
        self.run = pod_run.exited(self.run, name, code, self.now)
        return self.go()

    def probed(self, kind: ProbeKind, success: bool, name: str = "web") -> list[str]:
        self.run = pod_run.probed(self.run, self.container(name), kind, success, self.now)
        return self.go()

    def running(self) -> Driven:
        """Attached, and every container started."""
        self.go()
        self.attached()
        for each in self.pod.spec.containers:
            self.started(each.name)
        return self

    def delete(self, grace: int) -> list[str]:
        changed = msgspec.structs.replace(self.pod.metadata, deletion_timestamp="x", deletion_grace_period_seconds=grace)
        self.pod = msgspec.structs.replace(self.pod, metadata=changed)
        return self.go()

    def container(self, name: str) -> Container:
        return next(each for each in (*self.pod.spec.init_containers, *self.pod.spec.containers) if each.name == name)

    @property
    def status(self) -> PodStatus:
        self.known = pod_status(self.pod, self.run, self.known, "198.18.0.11", self.now)
        return self.known


def _short(action: Action) -> str:
    match action:
        case Attach():
            return "attach"
        case Start(container):
            return f"start {container.name}"
        case Signal(name, kill):
            return f"{'kill' if kill else 'term'} {name}"
        case Attempt(container, kind):
            return f"{kind.value.lower()} {container.name}"
        case Finish():
            return "finish"
