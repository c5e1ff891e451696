"""Short words for the tests of stores."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from moorage.model.errors import HostError
from moorage.model.meta import Key
from moorage.model.ports import Record, Store, StoreEvent, StoreView
from moorage.store.disk_io import DiskStore
from moorage.store.sqlite_io import Database
from moorage.store.state import Write

PODS = "pods"
NODES = "nodes"

Make = Callable[[int], tuple[bytes, Mapping[str, str]]]


def key(name: str, namespace: str = "default") -> Key:
    return Key(namespace, name)


def made(text: str = "", **labels: str) -> Make:
    """An object whose JSON carries its revision and `text`."""

    def make(revision: int) -> tuple[bytes, Mapping[str, str]]:
        return json.dumps({"revision": revision, "text": text}).encode(), labels

    return make


def text_of(record: Record | None) -> str | None:
    """The `text` of a stored object, after a look at the revision it carries; None for no object."""
    if record is None:
        return None
    body = json.loads(record.body)
    assert body["revision"] == record.revision
    return str(body["text"])


def putting(name: str, text: str = "", resource: str = PODS, namespace: str = "default") -> Callable[[StoreView], Record]:
    """A transaction that writes one object."""
    return lambda view: view.put(resource, key(name, namespace), made(text))


def removing(name: str, resource: str = PODS) -> Callable[[StoreView], Record]:
    return lambda view: view.remove(resource, key(name), made("last words"))


def told(events: Sequence[StoreEvent]) -> list[tuple[str, str, str | None, str | None]]:
    """Events as (type, name, text, text before)."""
    return [(each.type, each.record.key.name, text_of(each.record), text_of(each.previous)) for each in events]


def names(store: Store, resource: str = PODS, namespace: str = "") -> list[str]:
    return [each.key.name for each in store.list(resource, namespace)[0]]


class FaultyDisk:
    """A real file whose commits can be held back and refused, and its compactions refused. `commits` has the number of
    writes of each commit that was tried, `compactions` the revision of each compaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.free = threading.Event()
        self.free.set()
        self.refusal: Exception | None = None
        self.refused_compaction: HostError | None = None
        self.commits: list[int] = []
        self.compactions: list[int] = []

    def commit(self, writes: Sequence[Write]) -> None:
        assert self.free.wait(20)
        self.commits.append(len(writes))
        if self.refusal:
            raise self.refusal
        self._database.commit(writes)

    def compact(self, upto: int) -> None:
        self.compactions.append(upto)
        if self.refused_compaction:
            raise self.refused_compaction
        self._database.compact(upto)

    def close(self) -> None:
        self._database.close()


async def open_faulty(path: Path, history: int = 100) -> tuple[DiskStore, FaultyDisk]:
    """As `open_store` does, with a FaultyDisk between."""
    writer = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    database = await loop.run_in_executor(writer, Database.open, path, "moorage")
    log = await loop.run_in_executor(writer, database.load, history)
    disk = FaultyDisk(database)
    return DiskStore(log, disk, writer, history), disk
