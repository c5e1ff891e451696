"""Outcomes of probes -> what the kubelet believes. Thresholds, periods and delays are those of `core/v1` Probe.

One thing is quicker than upstream: until a startup or readiness probe has succeeded for the first time, it is repeated after
50 ms, 100 ms, 200 ms and so on instead of only once a period. These early attempts can succeed; their failures do not count,
and those that do are a period apart, from the end of the first period on.
"""

from __future__ import annotations

import enum

import msgspec

from moorage.model.pods import Container, Probe

FIRST_PAUSE = 0.05
"""Seconds to the second attempt."""


class ProbeKind(enum.Enum):
    """The value is the word in events: `Readiness probe failed: ...`."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class ProbeRun(msgspec.Struct, frozen=True):
    """One probe of one running container. `verdict` is None until a threshold is reached; `streak` counts equal outcomes in a
    row, failures below zero. The next attempt is `due_at`; the next whose failure counts is at `tick_at`. `pause` is the one to
    the next early attempt, 0 after a success.
    """

    due_at: float
    tick_at: float
    verdict: bool | None = None
    streak: int = 0
    pause: float = FIRST_PAUSE
    in_flight: bool = False

    @property
    def counts(self) -> bool:
        """Whether a failure of the coming attempt counts, rather than being an early one."""
        return self.due_at >= self.tick_at


def probe_of(container: Container, kind: ProbeKind) -> Probe | None:
    match kind:
        case ProbeKind.STARTUP:
            return container.startup_probe
        case ProbeKind.LIVENESS:
            return container.liveness_probe
        case ProbeKind.READINESS:
            return container.readiness_probe


def begin(kind: ProbeKind, probe: Probe, now: float) -> ProbeRun:
    """The container has just started (or, where it has a startup probe, has just passed it)."""
    first = now + probe.initial_delay_seconds
    if kind is ProbeKind.LIVENESS:
        return ProbeRun(due_at=first, tick_at=first, pause=0.0)
    return ProbeRun(due_at=first, tick_at=first + (probe.period_seconds or 10))


def record(probe: Probe, run: ProbeRun, success: bool, now: float) -> ProbeRun:
    """The outcome of the attempt that was due, known at `now`."""
    streak, verdict = run.streak, run.verdict
    if success:
        streak = max(streak, 0) + 1
        verdict = True if streak >= (probe.success_threshold or 1) else verdict
    elif run.counts:
        streak = min(streak, 0) - 1
        verdict = False if -streak >= (probe.failure_threshold or 3) else verdict
    period = probe.period_seconds or 10
    tick = run.tick_at
    while tick <= now:
        tick += period
    if success or not run.pause:
        return ProbeRun(due_at=tick, tick_at=tick, verdict=verdict, streak=streak, pause=0.0)
    return ProbeRun(
        due_at=min(tick, now + run.pause), tick_at=tick, verdict=verdict, streak=streak, pause=min(run.pause * 2, period)
    )
