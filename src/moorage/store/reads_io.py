"""The reading half of every store: get and list of committed state, and watches that wait in the event loop.

A watch is a cursor into the log's history. It holds no queue: events are shared, and a write only wakes those who wait for its
kind. All of it belongs to one event loop; nothing is called from another thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from moorage.model.meta import Key
from moorage.model.ports import Record, StoreEvent
from moorage.store.log import Log
from moorage.store.state import Write


class Reads:
    """What MemoryStore and DiskStore have in common. Whoever commits to the log calls `_wake` afterwards."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @property
    def revision(self) -> int:
        return self._log.committed.revision

    def get(self, resource: str, key: Key) -> Record | None:
        return self._log.committed.get(resource, key)

    def list(self, resource: str, namespace: str = "", at: int = 0) -> tuple[Sequence[Record], int]:
        return self._log.list(resource, namespace, at), at or self.revision

    def watch(self, resource: str, since: int) -> LogSubscription:
        return LogSubscription(self._log, self._waiting.setdefault(resource, set()), resource, since)

    def _wake(self, writes: Iterable[Write]) -> None:
        for resource in {each.record.resource for each in writes if isinstance(each, StoreEvent)}:
            for waiter in self._waiting.get(resource, ()):
                _finish(waiter)


class LogSubscription:
    """A watch of one kind (`model.ports.Subscription`), for one reader. Raises ApiError 410 as `Log.events` does."""

    def __init__(self, log: Log, waiting: set[asyncio.Future[None]], resource: str, since: int) -> None:
        self._log = log
        self._waiting = waiting
        self._resource = resource
        self._revision = since
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        log.events(resource, since)

    @property
    def revision(self) -> int:
        """As of the last `next`. It moves on with the other kinds too, also when `next` timed out."""
        return self._revision

    async def next(self, timeout: float | None = None) -> Sequence[StoreEvent]:
        """Raises RuntimeError once the subscription is closed."""
        return self._take() or await self._wait(timeout)

    def close(self) -> None:
        self._closed = True
        if self._waiter:
            _finish(self._waiter)

    async def _wait(self, timeout: float | None) -> Sequence[StoreEvent]:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._waiting.add(waiter)
        timer = None if timeout is None else loop.call_later(timeout, _finish, waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)
            if timer:
                timer.cancel()
        return self._take()

    def _take(self) -> Sequence[StoreEvent]:
        if self._closed:
            raise RuntimeError("this watch is closed")
        events = self._log.events(self._resource, self._revision)
        self._revision = self._log.committed.revision
        return events


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
