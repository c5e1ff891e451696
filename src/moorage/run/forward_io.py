"""Keeps one datapath in step with the newest table, and remembers whether it is: the body of node agents and edges."""

from __future__ import annotations

import time

import structlog

from moorage.datapath.types import Datapath
from moorage.model.errors import HostError
from moorage.observe.health_io import Health
from moorage.table.types import ForwardingTable

FIRST_RETRY = 0.1
LAST_RETRY = 10.0

log = structlog.get_logger()


class Forwarder:
    """Applies tables; a table that the kernel refuses is tried again, with the pause doubling from 0.1 s to 10 s."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._table: ForwardingTable | None = None
        self._pause: float | None = None
        self._updated = 0.0

    @property
    def retry_in(self) -> float | None:
        """Seconds until `retry` should be called, or None while the kernel holds the newest table."""
        return self._pause

    def apply(self, table: ForwardingTable) -> None:
        self._table = table
        self._pause = None
        self.retry()

    def retry(self) -> None:
        """Applies the newest table once; a refusal is logged and kept as a pause."""
        if self._table is None:
            return
        try:
            applied = self._datapath.apply(self._table)
        except HostError as error:
            self._pause = min(LAST_RETRY, (self._pause or FIRST_RETRY / 2) * 2)
            log.error("the kernel refused the table", error=str(error), retry_in_s=self._pause)
            return
        self._pause = None
        self._updated = time.time()
        if applied.operations:
            log.info("applied", operations=applied.operations, ms=round(applied.seconds * 1e3, 2))

    def health(self) -> Health:
        """Healthy once a first table is in the kernel, and while none waits for a retry."""
        ready = self._table is not None and self._pause is None
        return Health(ready, last_updated=self._updated)

    def remove(self) -> None:
        self._datapath.remove()
