"""A store in memory, for tests and dry runs: the same log as on disk, and every transaction is committed at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from moorage.model.ports import StoreView
from moorage.store.history import DEFAULT_HISTORY, History
from moorage.store.log import Log
from moorage.store.reads_io import Reads
from moorage.store.state import State

T = TypeVar("T")


class MemoryStore(Reads):
    """Implements `model.ports.Store`. `history` is the number of events kept for watches."""

    def __init__(self, history: int = DEFAULT_HISTORY) -> None:
        super().__init__(Log(State(), History(history)))

    async def transact(self, change: Callable[[StoreView], T]) -> T:
        result, writes = self._log.run(change)
        self._log.commit(writes)
        self._wake(writes)
        return result
