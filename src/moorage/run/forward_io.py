"""Keeps one datapath in step with the newest table, and remembers whether it is: the body of node agents and edges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from moorage.datapath.types import Datapath, Repair
from moorage.model.errors import HostError
from moorage.observe.figures import Figures
from moorage.observe.health_io import Health
from moorage.table.types import ForwardingTable

FIRST_RETRY = 0.1
LAST_RETRY = 10.0
SETTLE_AFTER = 0.05
"""Seconds from a change until tracked flows that contradict it are forgotten; all changes in between share the cost."""

log = structlog.get_logger()


class Forwarder:
    """Applies tables, and soon afterwards settles what contradicts them. What the kernel refuses is tried again, with the
    pause doubling from 0.1 s to 10 s. `clock` is monotonic, in seconds.
    """

    def __init__(self, datapath: Datapath, clock: Callable[[], float] = time.monotonic) -> None:
        self._datapath = datapath
        self._clock = clock
        self._table: ForwardingTable | None = None
        self._retry_at: float | None = None
        self._refusal = ""
        self._settle_at: float | None = None
        self._pause = FIRST_RETRY
        self._waiting_since: float | None = None
        self.figures = Figures()
        self.first_table = asyncio.Event()
        """Set once the kernel holds a table."""

    @property
    def watched(self) -> int | None:
        """A file descriptor that is readable when `inspect` may find something."""
        return self._datapath.fileno()

    def inspect(self) -> Repair | None:
        """Puts right what others have changed in the kernel. A refusal is logged, told by `health`, and tried again."""
        try:
            repair = self._datapath.inspect()
        except HostError as error:
            self._retry_at, self._refusal = self._later(error), f"the kernel refuses a change: {error}"
            return None
        if repair is not None:
            self.figures.repairs += 1
            self._settle_at = self._settle_at or self._clock() + SETTLE_AFTER
        return repair

    @property
    def wake_in(self) -> float | None:
        """Seconds until `wake` should be called, or None when nothing is left to do."""
        due = [each for each in (self._retry_at, self._settle_at) if each is not None]
        return max(0.0, min(due) - self._clock()) if due else None

    @property
    def settled(self) -> bool:
        """Whether the kernel holds the newest table, and no tracked flow contradicts it."""
        return self._table is not None and self._retry_at is None and self._settle_at is None

    @property
    def table(self) -> ForwardingTable:
        """The newest one, empty before the first."""
        return self._table or ForwardingTable()

    def apply(self, table: ForwardingTable, since: float | None = None) -> None:
        """Makes the kernel agree with a new table, made of what was seen at `since` (by the clock; by default now). A refusal
        is logged, told by `health`, and tried again by `wake`.
        """
        if self._waiting_since is None:
            self._waiting_since = self._clock() if since is None else since
        self._table = table
        self._write()

    def wake(self) -> None:
        """Does what is due: another attempt at a refused table, or settling."""
        now = self._clock()
        if self._retry_at is not None and now >= self._retry_at:
            self._write()
        if self._settle_at is not None and now >= self._settle_at:
            self._settle()

    def _write(self) -> None:
        if self._table is None:
            return
        try:
            applied = self._datapath.apply(self._table)
        except HostError as error:
            self._retry_at, self._refusal = self._later(error), f"the kernel refuses a change: {error}"
            return
        self._retry_at, self._refusal, self._pause = None, "", FIRST_RETRY
        self._settle_at = self._settle_at or self._clock() + SETTLE_AFTER
        self.figures.last_sync = time.time()
        self.figures.operations += applied.operations
        if self._waiting_since is not None:
            self.figures.syncs.add(self._clock() - self._waiting_since)
            self._waiting_since = None
        self.first_table.set()
        if applied.operations:
            log.info("applied", operations=applied.operations, ms=round(applied.seconds * 1e3, 2))

    def _settle(self) -> None:
        try:
            forgotten = self._datapath.settle()
        except HostError as error:
            self._settle_at = self._later(error)
            return
        self._settle_at = None
        self.figures.flows += forgotten
        if forgotten:
            log.info("settled", forgotten_flows=forgotten)

    def _later(self, error: HostError) -> float:
        self.figures.refusals += 1
        log.error("the kernel refused", error=str(error), retry_in_s=self._pause)
        due = self._clock() + self._pause
        self._pause = min(LAST_RETRY, self._pause * 2)
        return due

    def health(self) -> Health:
        """Healthy while the kernel holds the newest table."""
        trouble = self._refusal or ("" if self._table is not None else "there is no table in the kernel yet")
        return Health(not trouble, self.figures.last_sync, trouble=trouble)
