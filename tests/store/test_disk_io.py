"""DiskStore: what is visible when, what many callers share, and what a refusing disk takes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from moorage.model.errors import ApiError, HostError
from moorage.model.ports import StoreView
from moorage.store.disk_io import DiskStore, open_store
from tests.store.samples import NODES, PODS, FaultyDisk, key, names, open_faulty, putting, removing, text_of, told

Check = Callable[[DiskStore, FaultyDisk], Awaitable[None]]
Run = Callable[[Check], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs one check on an empty store with a history of 100."""

    async def checked(check: Check) -> None:
        async with asyncio.timeout(20):
            store, disk = await open_faulty(tmp_path / "store.db")
            try:
                await check(store, disk)
            finally:
                disk.free.set()
                await store.close()

    return lambda check: asyncio.run(checked(check))


async def started(*transactions: Awaitable[object]) -> list[asyncio.Future[object]]:
    """The transactions as tasks, after each has run its change."""
    tasks: list[asyncio.Future[object]] = [asyncio.ensure_future(each) for each in transactions]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def text_seen(name: str) -> Callable[[StoreView], str | None]:
    return lambda view: text_of(view.get(PODS, key(name)))


def test_only_durable_state_is_visible(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        watch = store.watch(PODS, 1)
        disk.free.clear()
        written, seen = await started(store.transact(putting("web", "a")), store.transact(text_seen("web")))
        assert (store.get(PODS, key("web")), store.revision, names(store)) == (None, 1, [])
        assert not await watch.next(timeout=0)
        assert not written.done()
        assert not seen.done(), "what it has seen may still be lost"
        disk.free.set()
        await written
        assert await seen == "a"
        assert (names(store), store.revision) == (["web"], 2)
        assert told(await watch.next()) == [("ADDED", "web", "a", None)]

    run(check)


def test_a_refusal_waits_for_the_state_it_rests_on(run: Run) -> None:
    def create(view: StoreView) -> None:
        if view.get(PODS, key("web")):
            raise LookupError("already exists")

    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        disk.free.clear()
        _, refused = await started(store.transact(putting("web")), store.transact(create))
        assert not refused.done()
        disk.free.set()
        with pytest.raises(LookupError):
            await refused
        assert names(store) == ["web"]

    run(check)


def test_callers_share_a_commit(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        disk.free.clear()
        first = await started(store.transact(putting("first")))
        rest = await started(*(store.transact(putting(f"web-{number}")) for number in range(31)))
        disk.free.set()
        await asyncio.gather(*first, *rest)
        assert disk.commits == [1, 31]

    run(check)


def test_reading_transactions_cost_no_commit(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        assert await store.transact(text_seen("web")) is None
        assert disk.commits == []

    run(check)


def test_a_refused_commit_takes_everything_pending_with_it(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        await store.transact(putting("web", "kept"))
        watch = store.watch(PODS, store.revision)
        disk.free.clear()
        disk.refusal = HostError("the disk is full")
        pending = await started(store.transact(putting("web", "lost")), store.transact(removing("web")))
        pending += await started(
            store.transact(lambda view: view.take("ports", "30000", "web")), store.transact(text_seen("x"))
        )
        disk.free.set()
        for each in pending:
            with pytest.raises(HostError, match="the disk is full"):
                await each
        assert await store.transact(text_seen("web")) == "kept"
        assert not await watch.next(timeout=0)

        disk.refusal = None
        assert await store.transact(lambda view: view.holder("ports", "30000")) is None
        assert (await store.transact(putting("web", "again"))).revision == 3
        assert told(await watch.next()) == [("MODIFIED", "web", "again", "kept")]

    run(check)


def test_a_transaction_outlives_its_caller(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        disk.free.clear()
        (caller,) = await started(store.transact(putting("web")))
        caller.cancel()
        await asyncio.wait((caller,))
        disk.free.set()
        await store.transact(putting("next"))
        assert names(store) == ["next", "web"]

    run(check)


def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    async def check() -> None:
        store, disk = await open_faulty(tmp_path / "store.db")
        disk.free.clear()
        pending = await started(store.transact(putting("a")), store.transact(putting("b")))
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        disk.free.set()
        await asyncio.gather(closing, *pending)
        await store.close()
        with pytest.raises(HostError, match="the store is closed"):
            await store.transact(putting("c"))
        assert names(store) == ["a", "b"]

    asyncio.run(check())


def test_a_writer_that_ends_for_another_reason_ends_the_store(run: Run) -> None:
    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        disk.refusal = MemoryError()
        for _ in range(2):
            with pytest.raises(HostError, match="writer was ended"):
                await store.transact(putting("web"))
        assert names(store) == []

    run(check)


def test_compaction_costs_little_per_write_and_is_tried_again(run: Run) -> None:
    async def write(store: DiskStore, times: int) -> None:
        for number in range(times):
            await store.transact(putting("web", str(number)))
        await store.transact(text_seen("web"))  # the compaction after the last write is over

    async def check(store: DiskStore, disk: FaultyDisk) -> None:
        await write(store, 150)
        assert disk.compactions == [11, 21, 31, 41, 51]
        disk.refused_compaction = HostError("the disk is full")
        await write(store, 11)
        disk.refused_compaction = None
        await write(store, 10)
        assert disk.compactions[5:] == [61, 62, 63], "a refused one is tried again after the next write"

    run(check)


def test_a_watch_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def check() -> None:
        store = await open_store(tmp_path / "store.db", history=10)
        for number in range(30):
            await store.transact(putting("web", str(number)))
        await store.transact(putting("node-1", resource=NODES))
        await store.close()
        store = await open_store(tmp_path / "store.db", history=10)
        assert store.revision == 32
        assert told(await store.watch(PODS, 29).next()) == [("MODIFIED", "web", "28", "27"), ("MODIFIED", "web", "29", "28")]
        with pytest.raises(ApiError, match="too old"):
            store.watch(PODS, 21)
        assert (await store.transact(putting("web"))).revision == 33
        await store.close()

    asyncio.run(check())


def test_a_file_that_cannot_be_read_is_let_go(tmp_path: Path) -> None:
    async def check() -> None:
        path = tmp_path / "store.db"
        path.write_bytes(b"x" * 10_000)
        with pytest.raises(HostError, match="is damaged"):
            await open_store(path)
        path.unlink()
        await (await open_store(path)).close()

    asyncio.run(check())
