"""The metrics of an agent: its figures, its table, and what the kernel has counted, at the moment somebody asks."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from moorage.announce.wish import State
from moorage.datapath.nft.counting_io import NftCounters
from moorage.model.errors import HostError
from moorage.observe.figures import Figures
from moorage.observe.traffic import Traffic
from moorage.table.types import ForwardingTable

log = structlog.get_logger()


class Measurements:
    """`render` may run on any one thread at a time, always in the same network namespace."""

    def __init__(
        self, figures: Figures, table: Callable[[], ForwardingTable], counters: NftCounters, speaker: Callable[[], State]
    ) -> None:
        self._figures = figures
        self._table = table
        self._counters = counters
        self._speaker = speaker
        self._traffic = Traffic()

    def render(self) -> str:
        """Where the kernel does not tell its counts, the rest is there, and what it told last."""
        from moorage.observe.metrics import render  # loading prometheus_client takes 0.1 s

        table = self._table()
        try:
            self._counters.forget(self._traffic.read(self._counters.read(), table))
        except HostError as error:
            log.warning("the kernel does not tell what it has counted", error=str(error))
        return render(self._figures, table, self._traffic, self._speaker())
