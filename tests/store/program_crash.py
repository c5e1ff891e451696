"""Run as a program: FILE SEED. Writes to the store in FILE for ever, eight callers at once, until it is killed.

Every object takes a port, in the same transaction; its text is the port. A line `REVISION TYPE NAME` is written for every
acknowledged event.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path

from moorage.model.ports import ADDED, DELETED, Record, StoreView
from moorage.store.disk_io import DiskStore, open_store
from tests.store.samples import PODS, key, made, text_of

PORTS = [str(each) for each in range(30000, 30200)]
HISTORY = 1_000_000


def create(name: str) -> Callable[[StoreView], Record]:
    def change(view: StoreView) -> Record:
        port = next(each for each in PORTS if view.holder("ports", each) is None)
        view.take("ports", port, name)
        return view.put(PODS, key(name), made(port))

    return change


def delete(name: str) -> Callable[[StoreView], Record]:
    def change(view: StoreView) -> Record:
        view.release("ports", text_of(view.get(PODS, key(name))) or "")
        return view.remove(PODS, key(name), made("gone"))

    return change


async def caller(store: DiskStore, prefix: str, rolls: random.Random) -> None:
    """Holds at most ten objects of its own."""
    mine: list[str] = []
    for number in range(1_000_000):
        if len(mine) == 10 or (mine and rolls.random() < 0.4):
            name, type_ = mine.pop(rolls.randrange(len(mine))), DELETED
            record = await store.transact(delete(name))
        else:
            name, type_ = f"{prefix}-{number}", ADDED
            record = await store.transact(create(name))
            mine.append(name)
        sys.stdout.write(f"{record.revision} {type_} {name}\n")
        sys.stdout.flush()


async def main(path: Path, seed: int) -> None:
    store = await open_store(path, HISTORY)
    for record in store.list(PODS)[0]:
        await store.transact(delete(record.key.name))
    await asyncio.gather(*(caller(store, f"{seed}-{each}", random.Random(seed * 100 + each)) for each in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
