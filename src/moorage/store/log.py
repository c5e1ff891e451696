"""The heart of a store, without disk or clock: transactions -> writes -> committed state and events.

Two states: `committed` is what readers and watchers see; the head is what the next transaction sees, that is `committed` plus
every transaction that ran but is not durable yet. Whoever owns a Log calls `run`, makes the writes durable in that order, then
calls `commit`; or, when durability failed, `abandon`, which forgets everything that is not committed. Revisions that were given
out by abandoned transactions are given out again: nobody has seen them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from moorage.model.errors import gone
from moorage.model.meta import Key
from moorage.model.ports import ADDED, DELETED, MODIFIED, Record, StoreEvent, StoreView
from moorage.store.history import History
from moorage.store.state import Released, State, Taken, Write, taken_back

T = TypeVar("T")

Make = Callable[[int], tuple[bytes, Mapping[str, str]]]


class View:
    """A transaction in progress on a state (`model.ports.StoreView`): every write is applied at once and noted in `writes`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._open = True
        self.writes: list[Write] = []

    def get(self, resource: str, key: Key) -> Record | None:
        return self._state.get(resource, key)

    def list(self, resource: str, namespace: str = "") -> Sequence[Record]:
        return self._state.list(resource, namespace)

    def put(self, resource: str, key: Key, make: Make) -> Record:
        previous = self._state.get(resource, key)
        return self._event(MODIFIED if previous else ADDED, resource, key, make, previous)

    def remove(self, resource: str, key: Key, make: Make) -> Record:
        """Raises KeyError where there is no such object."""
        previous = self._state.get(resource, key)
        if previous is None:
            raise KeyError(f"{resource} {key} does not exist")
        return self._event(DELETED, resource, key, make, previous)

    def holder(self, pool: str, value: str) -> str | None:
        return self._state.holder(pool, value)

    def held(self, pool: str) -> Mapping[str, str]:
        return self._state.held(pool)

    def take(self, pool: str, value: str, holder: str) -> None:
        """Taking again what the same holder has changes nothing."""
        held_by = self._state.holder(pool, value)
        if held_by is None:
            self._write(Taken(pool, value, holder))
        elif held_by != holder:
            raise ValueError(f"{value} of pool {pool} is held by {held_by}, so {holder} cannot take it")

    def release(self, pool: str, value: str) -> None:
        """Releasing what nobody holds changes nothing."""
        holder = self._state.holder(pool, value)
        if holder is not None:
            self._write(Released(pool, value, holder))

    def revert(self) -> None:
        """Takes back everything written."""
        for write in reversed(self.writes):
            self._state.revert(write)
        self.writes.clear()

    def close(self) -> None:
        self._open = False

    def _event(self, type_: str, resource: str, key: Key, make: Make, previous: Record | None) -> Record:
        revision = self._state.revision + 1
        body, labels = make(revision)
        record = Record(resource, key, revision, body, dict(labels))
        self._write(StoreEvent(type_, record, previous))
        return record

    def _write(self, write: Write) -> None:
        if not self._open:
            raise RuntimeError("this transaction has ended: its view can no longer write")
        self._state.apply(write)
        self.writes.append(write)


class Log:
    """Committed state, head and history. `committed` and `history` are taken over, not copied."""

    def __init__(self, committed: State, history: History) -> None:
        self.committed = committed
        self._history = history
        self._head = committed.copy()

    def run(self, change: Callable[[StoreView], T]) -> tuple[T, Sequence[Write]]:
        """Runs `change` on the head. If it raises, nothing of it stays in the head and its revisions are free again."""
        view = View(self._head)
        try:
            return change(view), view.writes
        except BaseException:
            view.revert()
            raise
        finally:
            view.close()

    def commit(self, writes: Iterable[Write]) -> None:
        """Makes durable writes visible. They must come in the order in which `run` returned them."""
        for write in writes:
            self.committed.apply(write)
            if isinstance(write, StoreEvent):
                self._history.append(write)

    def abandon(self) -> None:
        """Forgets every write that is not committed."""
        self._head = self.committed.copy()

    def list(self, resource: str, namespace: str, at: int = 0) -> Sequence[Record]:
        """Committed records in key order, now or at revision `at`. Raises ApiError 410 as `events` does."""
        records = self.committed.list(resource, namespace)
        events = self.events(resource, at) if at else ()
        return taken_back(records, events, namespace) if events else records

    def events(self, resource: str, since: int) -> Sequence[StoreEvent]:
        """Committed events of a kind after revision `since`, oldest first.

        Raises ApiError 410 where the history does not reach back so far, and also for a revision that is yet to come: it
        must be from another life of the store (an older copy was put back), so waiting for it would hide a gap.
        """
        if since > self.committed.revision:
            raise gone(f"Too large resource version: {since}, current: {self.committed.revision}")
        return self._history.after(resource, since)
