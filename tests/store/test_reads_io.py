"""Waiting readers: who is woken, and what a reader leaves behind. The rest is in the contract."""

from __future__ import annotations

import asyncio

from moorage.store.fake import MemoryStore
from tests.store.samples import NODES, PODS, putting


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_write_wakes_only_readers_of_its_kind() -> None:
    async def check() -> None:
        store = MemoryStore()
        reader = asyncio.ensure_future(store.watch(PODS, 1).next())
        await settle()
        (waiter,) = store._waiting[PODS]
        await store.transact(putting("node-1", resource=NODES))
        assert not waiter.done()
        await store.transact(putting("web"))
        assert waiter.done()
        assert len(await reader) == 1

    asyncio.run(check())


def test_no_reader_leaves_anything_behind() -> None:
    async def check() -> None:
        store = MemoryStore()
        served, late, cancelled = (asyncio.ensure_future(store.watch(PODS, 1).next(timeout)) for timeout in (None, 0.001, 60))
        await late
        cancelled.cancel()
        await asyncio.wait((cancelled,))
        assert len(store._waiting[PODS]) == 1
        await store.transact(putting("web"))
        await served
        assert not store._waiting[PODS]

    asyncio.run(check())
