"""What `moorage bench coldstart` has seen of the agent's starts -> the figures that are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

import msgspec

from moorage.run.bench_lab import JUDGED

PER = 100_000


class Goals(msgspec.Struct, frozen=True):
    """At most these. Idle is in percent of one processor."""

    last_answer_s: float = 2.5
    rss_mb: float = 200.0
    idle_cpu_percent: float = 1.0


class Phases(msgspec.Struct, frozen=True):
    """Seconds, as the agent's log tells them: Python and the constant program, lists, the table, its elements in the kernel."""

    start_s: float
    list_s: float
    compile_s: float
    install_s: float


class ColdStart(msgspec.Struct, frozen=True):
    """One start on an empty kernel. Seconds are from the start of the process, `cpu_s` those of a processor until it was ready.

    Memory is in 10^6 bytes, after two seconds and at the most. `failed` connections went to Services that had answered before.
    """

    first_answer_s: float
    last_answer_s: float
    ready_s: float
    cpu_s: float
    rss_mb: float
    peak_rss_mb: float
    idle_cpu_percent: float
    failed: int
    phases: Phases | None


class WarmStart(msgspec.Struct, frozen=True):
    """A start with everything in place. Services were asked before, meanwhile and after: `asked` connections, `failed` of them
    without an answer. `gap_s` is the longest time between two answers of one Service.
    """

    ready_s: float
    cpu_s: float
    asked: int
    failed: int
    gap_s: float


class Middle(msgspec.Struct, frozen=True):
    """Of several runs."""

    median: float
    min: float
    max: float


class Report(msgspec.Struct, frozen=True):
    """`samples` of the Services were asked. `goals` are None for other sizes than the one they are for."""

    services: int
    endpoints: int
    samples: int
    load_s: float
    runs: tuple[ColdStart, ...]
    warm: WarmStart
    goals: Goals | None

    def middle(self, name: str) -> Middle:
        """Of a field of ColdStart."""
        return middle(getattr(each, name) for each in self.runs)

    def phase(self, name: str) -> Middle | None:
        """Of a field of Phases; None where no run has told its phases."""
        told = [getattr(each.phases, name) for each in self.runs if each.phases is not None]
        return middle(told) if told else None

    @property
    def per_100k_s(self) -> float:
        """Seconds until the last answer for 100,000 endpoints of all Services together: the same at every size, if linear."""
        return round(self.middle("last_answer_s").median * PER / (self.services * self.endpoints), 3)

    @property
    def met(self) -> bool:
        """No connection may be lost at any size."""
        lost = self.warm.failed + sum(each.failed for each in self.runs)
        return not lost and (self.goals is None or all(self.within(name) for name in self.goals.__struct_fields__))

    def within(self, name: str) -> bool:
        """Whether the median of a field of ColdStart that has a goal is within it."""
        return self.middle(name).median <= float(getattr(self.goals, name))


def goals_for(services: int, endpoints: int) -> Goals | None:
    return Goals() if (services, endpoints) == JUDGED else None


def middle(values: Iterable[float]) -> Middle:
    found = sorted(values)
    return Middle(round(median(found), 3), found[0], found[-1])


class _Said(msgspec.Struct, frozen=True):
    """A line of the agent's log."""

    message: str
    time: datetime
    ms: float = 0.0


def phases(lines: Sequence[str], spawned: float) -> Phases | None:
    """Of a start at `spawned` (seconds since the epoch), from the lines of its log: the first "listed" and the first "applied"
    after it. None where one of them is missing, as for a start that finds everything in place.
    """
    said = [msgspec.json.decode(each, type=_Said) for each in lines if each.startswith("{")]
    listed = next((each for each in said if each.message == "listed"), None)
    applied = next((each for each in said if each.message == "applied"), None)
    if listed is None or applied is None:
        return None
    lists, install = listed.ms / 1e3, applied.ms / 1e3
    return Phases(
        start_s=round(listed.time.timestamp() - lists - spawned, 3),
        list_s=round(lists, 3),
        compile_s=round((applied.time - listed.time).total_seconds() - install, 3),
        install_s=round(install, 3),
    )
