"""The durable store: transactions -> SQLite, many in one commit.

A transaction runs at once, in the event loop, on the head (see `log`). Its writes wait in a queue. A single writer thread takes
everything that is queued, makes it one SQLite transaction, and meanwhile the next ones queue up: thirty-two callers at once pay
for one or two fsyncs. Only then are the writes visible to readers and watchers, and only then do the callers go on.

A failed commit fails every transaction of that commit and every later one, since those were decided on its writes. Their
revisions are given out again. A transaction that writes nothing or raises also waits for the ones it may have seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from moorage.model.errors import HostError
from moorage.model.ports import StoreView
from moorage.store.history import DEFAULT_HISTORY
from moorage.store.log import Log
from moorage.store.reads_io import Reads
from moorage.store.sqlite_io import Database
from moorage.store.state import EMPTY_REVISION, Write

T = TypeVar("T")


class Disk(Protocol):
    """What a DiskStore writes to: called from its writer thread only, raising HostError when the disk refuses."""

    def commit(self, writes: Sequence[Write]) -> None: ...

    def compact(self, upto: int) -> None: ...

    def close(self) -> None: ...


class _Queued(NamedTuple):
    writes: Sequence[Write]
    durable: asyncio.Future[None]


class DiskStore(Reads):
    """Implements `model.ports.Store` on one file. Made by `open_store`; belongs to one event loop; ends with `close`."""

    def __init__(self, log: Log, disk: Disk, writer: ThreadPoolExecutor, history: int = DEFAULT_HISTORY) -> None:
        super().__init__(log)
        self._disk = disk
        self._writer = writer
        self._history = history
        self._compacted = EMPTY_REVISION
        self._queue: list[_Queued] = []
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self._ended = ""

    @property
    def failure(self) -> str:
        """Why nothing more is written, or an empty string."""
        return self._ended

    async def transact(self, change: Callable[[StoreView], T]) -> T:
        """A cancelled caller does not take its transaction back: what was queued is committed."""
        if self._ended:
            raise HostError(self._ended)
        try:
            result, writes = self._log.run(change)
        except Exception:
            await self._durable(())  # the refusal may rest on writes that are not durable yet
            raise
        await self._durable(writes)
        return result

    async def close(self) -> None:
        """Lets queued transactions finish, then closes the file. Later transactions raise HostError; reads still work."""
        if self._closed:
            return
        self._closed = True
        self._ended = "the store is closed"
        if self._flushing:
            await asyncio.wait((self._flushing,))
        try:
            await self._write(self._disk.close)
        finally:
            self._writer.shutdown(wait=False)

    async def _durable(self, writes: Sequence[Write]) -> None:
        """Returns when `writes`, and everything queued before, is durable. Raises HostError when it is lost."""
        if not writes and self._flushing is None:
            return
        queued = _Queued(writes, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="store-flush")
        await queued.durable

    async def _flush(self) -> None:
        """Commits until nothing is queued."""
        while self._queue:
            batch, self._queue = self._queue, []
            writes = [write for each in batch for write in each.writes]
            try:
                if writes:
                    await self._write(self._disk.commit, writes)
            except HostError as error:
                self._fail(batch, str(error))
            except BaseException:
                self._ended = "the store's writer was ended: it is not known whether the last writes are on disk"
                self._fail(batch, self._ended)
                raise
            else:
                self._log.commit(writes)
                self._resolve(batch)
                self._wake(writes)
                if writes:
                    await self._compact()
        self._flushing = None

    def _resolve(self, batch: Sequence[_Queued]) -> None:
        for each in batch:
            if not each.durable.done():
                each.durable.set_result(None)

    def _fail(self, batch: Sequence[_Queued], message: str) -> None:
        """Nothing that was pending stays: neither this batch nor what was queued after it."""
        lost = [*batch, *self._queue]
        self._queue.clear()
        self._log.abandon()
        for each in lost:
            if not each.durable.done():
                each.durable.set_exception(HostError(message))

    async def _compact(self) -> None:
        """Once in a tenth of the history, so that its cost per write is small."""
        upto = self.revision - self._history
        if upto - self._compacted < max(1, self._history // 10):
            return
        with suppress(HostError):  # nothing is lost: the file keeps more history than asked, and the next write tries again
            await self._write(self._disk.compact, upto)
            self._compacted = upto

    async def _write(self, function: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, function, *arguments)


async def open_store(path: Path, history: int = DEFAULT_HISTORY, instance: str = "moorage") -> DiskStore:
    """The store in the file `path`, made where there is none. `history` is the number of events kept for watches.

    Raises UserError and HostError as `Database.open` and `Database.load` do.
    """

    def load() -> tuple[Database, Log]:
        database = Database.open(path, instance)
        try:
            return database, database.load(history)
        except BaseException:
            database.close()
            raise

    writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
    try:
        database, log = await asyncio.get_running_loop().run_in_executor(writer, load)
    except BaseException:
        writer.shutdown(wait=False)
        raise
    return DiskStore(log, database, writer, history)
