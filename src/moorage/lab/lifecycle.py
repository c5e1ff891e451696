"""A Pod, what is known of its containers, and the time -> what the kubelet does next.

    decide(pod, run, now, back_off) -> Decision(run, actions, notes, wake_at)     no side effects, called after every event

The kubelet performs the actions and reports back with the events of `pod_run`; everything else about Pods is decided here.
Source: the Pod lifecycle of Kubernetes 1.36.
"""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.lab import containers as step
from moorage.lab.containers import (
    CRASH_LOOP,
    BackOff,
    ContainerRun,
    Exited,
    Running,
    Stop,
    Waiting,
    restarts,
)
from moorage.lab.images import Refused, command_of
from moorage.lab.pod_run import PodRun
from moorage.lab.probes import ProbeKind, probe_of
from moorage.lab.unsupported import unsupported
from moorage.model.pods import DEFAULT_GRACE_SECONDS, Container, Pod
from moorage.model.reason import Reason
from moorage.model.withdrawal import is_withdrawn, waits_for_withdrawal

LAST_SECONDS = 5.0
"""Of a Pod's grace: they are its containers' own, also where nodes and edges have not taken the Pod out."""


class Attach(msgspec.Struct, frozen=True):
    """Make the Pod's network; answered by `attached` or `not_attached`."""


class Start(msgspec.Struct, frozen=True):
    """Start the container's process; answered by `started` or `not_started`."""

    container: Container


class Signal(msgspec.Struct, frozen=True):
    """SIGTERM to the container's command, or with `kill` SIGKILL to all its processes."""

    container: str
    kill: bool


class Attempt(msgspec.Struct, frozen=True):
    """Run a probe once; answered by `probed`."""

    container: Container
    kind: ProbeKind


class Finish(msgspec.Struct, frozen=True):
    """Nothing of the Pod runs any more and its deletion was asked for: take its network away and remove the object."""


Action = Attach | Start | Signal | Attempt | Finish


class Remark(msgspec.Struct, frozen=True):
    """An event to record about the Pod."""

    reason: Reason
    message: str
    warning: bool = False


class Decision(msgspec.Struct, frozen=True):
    """What to do now, and the time at which to decide again if nothing happens before (None: only when something happens)."""

    run: PodRun
    actions: tuple[Action, ...] = ()
    notes: tuple[Remark, ...] = ()
    wake_at: float | None = None


def decide(pod: Pod, run: PodRun, now: float, back_off: BackOff) -> Decision:
    """The next actions. Each is given once: the returned run remembers that it was."""
    return _Deciding(pod, run, now, back_off).decision()


class _Deciding:
    """One decision in the making: collects actions, notes and the earliest time at which something is due."""

    def __init__(self, pod: Pod, run: PodRun, now: float, back_off: BackOff) -> None:
        self.pod, self.run, self.now, self.back_off = pod, run, now, back_off
        self.containers = dict(run.containers)
        self.actions: list[Action] = []
        self.notes: list[Remark] = []
        self.due: list[float] = []

    def decision(self) -> Decision:
        if self.pod.metadata.deletion_timestamp is not None:
            self._end()
        elif not self.run.over:
            self._live()
        for container in (*self.pod.spec.init_containers, *self.pod.spec.containers):
            self._stop_step(container.name)
            self._probe_steps(container)
        run = msgspec.structs.replace(self.run, containers=self.containers)
        return Decision(run, tuple(self.actions), tuple(self.notes), min(self.due, default=None))

    def _live(self) -> None:
        if not self.run.address:
            self._attach()
            return
        policy = self.pod.spec.restart_policy or "Always"
        for container in self.pod.spec.init_containers:
            state = self.containers[container.name].state
            if isinstance(state, Exited) and state.code == 0:
                continue
            if isinstance(state, Exited) and policy == "Never":
                self._set(over=True)
            else:
                self._tend(container, "OnFailure")
            return
        for container in self.pod.spec.containers:
            self._tend(container, policy)
        if all(self._is_over(each, policy) for each in self.pod.spec.containers):
            self._set(over=True)

    def _attach(self) -> None:
        if self.run.attaching:
            return
        if self.now < self.run.attach_at:
            self.due.append(self.run.attach_at)
            return
        if (text := unsupported(self.pod)) and not self.run.attach_at:
            self._note(Reason.UNSUPPORTED, text, warning=True)
        self.actions.append(Attach())
        self._set(attaching=True)

    def _is_over(self, container: Container, policy: str) -> bool:
        run = self.containers[container.name]
        return isinstance(run.state, Exited) and not run.alive and not restarts(policy, run.state)

    def _tend(self, container: Container, policy: str) -> None:
        """Starts what should run and does not; begins to stop what runs and should not."""
        run = self.containers[container.name]
        if isinstance(run.state, Running):
            self._judge(container, run)
            return
        if run.starting or (isinstance(run.state, Exited) and not restarts(policy, run.state)):
            return
        command = command_of(container)
        if isinstance(command, Refused):
            self._refuse(container, run, command)
            return
        if isinstance(run.state, Waiting) and run.state.reason == Reason.IMAGE_NOT_RUNNABLE.value:
            run = msgspec.structs.replace(run, start_at=self.now)
        if isinstance(run.state, Exited) and run.start_at is None:
            run = step.waiting_for_restart(run, run.state, self.back_off, self._whose(container.name))
            if isinstance(run.state, Waiting) and run.state.reason == CRASH_LOOP:
                self._note(
                    Reason.BACK_OFF, f"Back-off restarting failed container {self._in_pod(container.name)}", warning=True
                )
        if run.start_at is None or self.now >= run.start_at:
            self.actions.append(Start(container))
            run = step.asked_to_start(run)
        else:
            self.due.append(run.start_at)
        self.containers[container.name] = run

    def _refuse(self, container: Container, run: ContainerRun, refused: Refused) -> None:
        waiting = Waiting(refused.reason.value, refused.message)
        if run.state == waiting:
            return
        last = run.state if isinstance(run.state, Exited) else run.last
        self.containers[container.name] = msgspec.structs.replace(run, state=waiting, last=last)
        self._note(refused.reason, refused.message, warning=True)

    def _judge(self, container: Container, run: ContainerRun) -> None:
        """Stops a container, to be started again, that fails its startup or liveness probe or has got a new image."""
        if run.stop is not None:
            return
        failed = [
            kind for kind, progress in run.probes.items() if progress.verdict is False and kind is not ProbeKind.READINESS
        ]
        if failed:
            probe = probe_of(container, failed[0])
            grace = probe.termination_grace_period_seconds if probe else None
            self._begin_stop(container, self._grace if grace is None else grace)
            ending = "" if self.pod.spec.restart_policy == "Never" else ", will be restarted"
            self._note(Reason.KILLING, f"Container {container.name} failed {failed[0].value.lower()} probe{ending}")
        elif run.image != container.image:
            self._begin_stop(container, self._grace)
            self._note(Reason.KILLING, f"Container {container.name} definition changed, will be restarted")

    @property
    def _grace(self) -> float:
        given = self.pod.spec.termination_grace_period_seconds
        return float(DEFAULT_GRACE_SECONDS if given is None else given)

    def _begin_stop(self, container: Container, grace: float) -> None:
        run = self.containers[container.name]
        pause = min(pre_stop_sleep(container), grace)
        self.containers[container.name] = msgspec.structs.replace(run, stop=Stop(self.now + pause, self.now + grace))

    def _end(self) -> None:
        """The Pod is being deleted: all get SIGTERM now and SIGKILL at the deadline, which a later request can shorten."""
        asked = self.pod.metadata.deletion_grace_period_seconds
        grace = self._grace if asked is None else float(asked)
        before = self.run.deadline
        deadline = self.now + grace if before is None else min(before, self.now + grace)
        self._set(deadline=deadline)
        for container in (*self.pod.spec.init_containers, *self.pod.spec.containers):
            run = self.containers[container.name]
            if not isinstance(run.state, Running):
                continue
            if run.stop is None:
                self._begin_stop(container, deadline - self.now)
                self._note(Reason.KILLING, f"Stopping container {container.name}")
            elif run.stop.kill_at > deadline:
                self.containers[container.name] = msgspec.structs.replace(
                    run, stop=msgspec.structs.replace(run.stop, kill_at=deadline, term_at=min(run.stop.term_at, deadline))
                )
        alive = any(each.alive for each in self.containers.values())
        if not alive and not self.run.attaching and not self.run.finished:
            self.actions.append(Finish())
            self._set(finished=True)

    def _stop_step(self, name: str) -> None:
        run = self.containers[name]
        stop = run.stop
        if stop is None or not isinstance(run.state, Running):
            return
        if self.now >= stop.kill_at and not stop.kill_sent:
            self.actions.append(Signal(name, kill=True))
            stop = msgspec.structs.replace(stop, term_sent=True, kill_sent=True)
        elif self.now >= self._term_at(stop) and not stop.term_sent:
            self.actions.append(Signal(name, kill=False))
            stop = msgspec.structs.replace(stop, term_sent=True)
        self.containers[name] = msgspec.structs.replace(run, stop=stop)
        if not stop.kill_sent:
            self.due.append(stop.kill_at if stop.term_sent else self._term_at(stop))

    def _term_at(self, stop: Stop) -> float:
        """SIGTERM waits until the Pod is withdrawn, where it asks for that, or the last seconds of its grace begin."""
        leaves = self.pod.metadata.deletion_timestamp is not None
        if not leaves or not waits_for_withdrawal(self.pod) or is_withdrawn(self.pod):
            return stop.term_at
        return max(stop.term_at, stop.kill_at - LAST_SECONDS)

    def _probe_steps(self, container: Container) -> None:
        """Attempts that are due. A container on its way out is asked for its readiness only."""
        run = self.containers[container.name]
        if not isinstance(run.state, Running):
            return
        probes = dict(run.probes)
        for kind, progress in run.probes.items():
            passed = kind is ProbeKind.STARTUP and progress.verdict is True
            if progress.in_flight or passed or (run.stop is not None and kind is not ProbeKind.READINESS):
                continue
            if self.now >= progress.due_at:
                self.actions.append(Attempt(container, kind))
                probes[kind] = msgspec.structs.replace(progress, in_flight=True)
            else:
                self.due.append(progress.due_at)
        self.containers[container.name] = msgspec.structs.replace(run, probes=probes)

    def _note(self, reason: Reason, message: str, warning: bool = False) -> None:
        self.notes.append(Remark(reason, message, warning))

    def _set(self, **changes: Any) -> None:
        self.run = msgspec.structs.replace(self.run, **changes)

    def _whose(self, container: str) -> str:
        return f"{container} pod={self._identity}"

    def _in_pod(self, container: str) -> str:
        return f"{container} in pod {self._identity}"

    @property
    def _identity(self) -> str:
        meta = self.pod.metadata
        return f"{meta.name}_{meta.namespace}({meta.uid})"


def pre_stop_sleep(container: Container) -> float:
    """`lifecycle.preStop.sleep.seconds` (KEP-3960): how long SIGTERM is held back."""
    hook = ((container.lifecycle or {}).get("preStop") or {}).get("sleep") or {}
    return float(hook.get("seconds", 0))
