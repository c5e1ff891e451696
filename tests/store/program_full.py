"""Run as a program: FILE. Fills a disk that has little room (RLIMIT_FSIZE), gives it room again, and writes what happened.

Gives JSON: names acknowledged before, refused during and acknowledged after; the first refusal's message; the names and the
port holders that the store shows after each of the three; and the names that a watch from the start was told.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

from moorage.model.errors import HostError
from moorage.model.ports import StoreView
from moorage.store.disk_io import DiskStore, open_store
from tests.store.samples import PODS, key, made, names

ROOM = 256 * 1024
"""Bytes that any file may have while the disk is full."""


async def create(store: DiskStore, name: str) -> str:
    """The error's message, or an empty string."""

    def change(view: StoreView) -> None:
        view.put(PODS, key(name), made("x" * 8000))
        view.take("ports", name, name)

    try:
        await store.transact(change)
    except HostError as error:
        return str(error)
    return ""


async def show(store: DiskStore) -> list[list[str]]:
    return [names(store), sorted(await store.transact(lambda view: list(view.held("ports"))))]


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def main(path: Path) -> dict[str, Any]:
    store = await open_store(path)
    watch = store.watch(PODS, store.revision)
    limit(ROOM)
    tried = [f"pod-{number:03}" for number in range(200)]
    outcomes = dict(zip(tried[:100], [await create(store, name) for name in tried[:100]], strict=True))
    outcomes |= zip(tried[100:], await asyncio.gather(*(create(store, name) for name in tried[100:])), strict=True)
    full = await show(store)
    limit(resource.RLIM_INFINITY)
    again = [name for name in tried if outcomes[name]]
    mended = [await create(store, name) for name in again[:10]]
    told = [each.record.key.name for each in await watch.next()]
    recovered = await show(store)
    await store.close()
    store = await open_store(path)
    reopened = await show(store)
    await store.close()
    return {
        "kept": [name for name in tried if not outcomes[name]],
        "refused": again,
        "errors": sorted({each for each in outcomes.values() if each}),
        "mended": mended,
        "told": told,
        "full": full,
        "recovered": recovered,
        "reopened": reopened,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
