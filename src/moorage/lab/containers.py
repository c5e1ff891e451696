"""One container's life: waiting, running, exited, and again; source: `core/v1` ContainerState."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.lab.probes import ProbeKind, ProbeRun
from moorage.model.clock import timestamp
from moorage.model.pods import Container, ContainerStatus

CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"
CRASH_LOOP = "CrashLoopBackOff"

LOST_EXIT_CODE = 255
"""What is reported of a container whose end nobody saw, because its node was off."""


class Waiting(msgspec.Struct, frozen=True):
    reason: str = CREATING
    message: str = ""


class Running(msgspec.Struct, frozen=True):
    since: float


class Exited(msgspec.Struct, frozen=True):
    """`code` is 128 + N after signal N."""

    code: int
    started_at: float
    finished_at: float
    reason: str = ""
    message: str = ""


class Stop(msgspec.Struct, frozen=True):
    """A container on its way out: SIGTERM at `term_at`, SIGKILL at `kill_at`; what was sent already is marked."""

    term_at: float
    kill_at: float
    term_sent: bool = False
    kill_sent: bool = False


class BackOff(msgspec.Struct, frozen=True):
    """Seconds between restarts: none before the first, then `base`, doubled each time up to `limit` (kubelet's defaults).
    A run of twice the limit starts over.
    """

    base: float = 10.0
    limit: float = 300.0


class ContainerRun(msgspec.Struct, frozen=True):
    """`starting` is set from the wish to start until the answer; no start is wished before `start_at`, which is None after an
    exit until it is known. `delay` is the pause before the next restart. `image` is the one that runs.
    """

    state: Waiting | Running | Exited = Waiting()
    last: Exited | None = None
    restarts: int = 0
    image: str = ""
    started_before: bool = False
    starting: bool = False
    start_at: float | None = 0.0
    delay: float = 0.0
    stop: Stop | None = None
    probes: Mapping[ProbeKind, ProbeRun] = {}

    @property
    def alive(self) -> bool:
        """There is a process, or one may appear any moment."""
        return self.starting or isinstance(self.state, Running)


def asked_to_start(run: ContainerRun) -> ContainerRun:
    return msgspec.structs.replace(run, starting=True)


def started(run: ContainerRun, image: str, now: float) -> ContainerRun:
    last = run.state if isinstance(run.state, Exited) else run.last
    restarts = run.restarts + 1 if run.started_before else run.restarts
    return msgspec.structs.replace(
        run, state=Running(now), last=last, restarts=restarts, image=image, started_before=True, starting=False, probes={}
    )


def not_started(run: ContainerRun, waiting: Waiting, now: float, back_off: BackOff) -> ContainerRun:
    """The start failed; it is tried again after a pause that grows."""
    last = run.state if isinstance(run.state, Exited) else run.last
    delay = _longer(run.delay, back_off)
    return msgspec.structs.replace(run, state=waiting, last=last, starting=False, start_at=now + delay, delay=delay, stop=None)


def exited(run: ContainerRun, code: int, now: float) -> ContainerRun:
    since = run.state.since if isinstance(run.state, Running) else now
    end = Exited(code, since, now, reason="Completed" if code == 0 else "Error")
    return msgspec.structs.replace(run, state=end, starting=False, start_at=None, stop=None, probes={})


def restarts(policy: str, end: Exited) -> bool:
    """`spec.restartPolicy`, which is Always where it is not given."""
    return policy in ("", "Always") or (policy == "OnFailure" and end.code != 0)


def waiting_for_restart(run: ContainerRun, end: Exited, back_off: BackOff, whose: str) -> ContainerRun:
    """After an exit: when the next start is due. The first is due at once, and the state then stays until it runs again."""
    delay = 0.0 if end.finished_at - end.started_at >= 2 * back_off.limit else run.delay
    run = msgspec.structs.replace(run, start_at=end.finished_at + delay, delay=_longer(delay, back_off))
    if not delay:
        return run
    waiting = Waiting(CRASH_LOOP, f"back-off {duration(delay)} restarting failed container={whose}")
    return msgspec.structs.replace(run, state=waiting, last=end)


def _longer(delay: float, back_off: BackOff) -> float:
    return min(delay * 2, back_off.limit) if delay else back_off.base


def duration(seconds: float) -> str:
    """As Go prints one: `10s`, `1m20s`, `5m0s`, `500ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"


def resumed(status: ContainerStatus, now: float) -> ContainerRun:
    """What an earlier kubelet reported -> where this one goes on: a container that ran is gone, and nobody saw its end."""
    running, ended = status.state.get("running"), status.state.get("terminated")
    before = status.restart_count
    if ended is not None:
        end = Exited(int(ended.get("exitCode", LOST_EXIT_CODE)), now, now, reason=str(ended.get("reason", "")))
        return ContainerRun(state=end, restarts=before, image=status.image, started_before=True, start_at=None)
    if running is not None:
        end = Exited(LOST_EXIT_CODE, now, now, reason="Unknown", message="the node was switched off or its kubelet ended")
        return ContainerRun(state=end, restarts=before, image=status.image, started_before=True, start_at=None)
    return ContainerRun(restarts=before, started_before=before > 0 or "terminated" in status.last_state)


def is_started(container: Container, run: ContainerRun) -> bool:
    """Runs, and has passed its startup probe if it has one: from then on the other probes count."""
    if not isinstance(run.state, Running):
        return False
    if container.startup_probe is None:
        return True
    startup = run.probes.get(ProbeKind.STARTUP)
    return startup is not None and startup.verdict is True


def is_ready(container: Container, run: ContainerRun) -> bool:
    """Started, and ready as its readiness probe sees it, if it has one."""
    if not is_started(container, run):
        return False
    if container.readiness_probe is None:
        return True
    readiness = run.probes.get(ProbeKind.READINESS)
    return readiness is not None and readiness.verdict is True


def status_of(container: Container, run: ContainerRun, ready: bool, identity: str) -> ContainerStatus:
    """`identity` becomes the container id, one for each start."""
    number = f"lab://{identity}-{container.name}-{run.restarts}" if run.started_before else ""
    return ContainerStatus(
        name=container.name,
        state=_state(run.state, number),
        last_state=_state(run.last, "") if run.last is not None else {},
        ready=ready,
        restart_count=run.restarts,
        image=container.image,
        image_id=f"lab://{container.image}" if run.started_before else "",
        container_id=number,
        started=is_started(container, run),
    )


def _state(state: Waiting | Running | Exited, number: str) -> dict[str, Any]:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        case Running(since):
            return {"running": {"startedAt": timestamp(since)}}
        case Exited():
            body: dict[str, Any] = {"exitCode": state.code, "reason": state.reason, "startedAt": timestamp(state.started_at)}
            body |= {"finishedAt": timestamp(state.finished_at)} | ({"message": state.message} if state.message else {})
            return {"terminated": body | ({"containerID": number} if number else {})}
