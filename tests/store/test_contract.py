"""What every `model.ports.Store` promises, checked in memory and on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from moorage.model.errors import ApiError
from moorage.model.meta import Key
from moorage.model.ports import ADDED, DELETED, MODIFIED, Store, StoreView
from moorage.store.disk_io import open_store
from moorage.store.fake import MemoryStore
from tests.store.samples import NODES, PODS, key, made, names, putting, removing, text_of, told

HISTORY = 20

Check = Callable[[Store], Awaitable[None]]
Run = Callable[[Check], None]


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Store]:
    yield MemoryStore(HISTORY)


@asynccontextmanager
async def disk(directory: Path) -> AsyncIterator[Store]:
    store = await open_store(directory / "store.db", HISTORY)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(disk, id="disk")])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs one check on an empty store."""

    async def checked(check: Check) -> None:
        async with asyncio.timeout(20), request.param(tmp_path) as store:
            await check(store)

    return lambda check: asyncio.run(checked(check))


def test_an_empty_store_has_revision_one(run: Run) -> None:
    async def check(store: Store) -> None:
        assert store.revision == 1
        records, revision = store.list(PODS)
        assert (list(records), revision) == ([], 1)
        assert store.get(PODS, key("web")) is None

    run(check)


def test_every_write_gets_the_next_revision_whatever_its_kind(run: Run) -> None:
    async def check(store: Store) -> None:
        pod = await store.transact(putting("web", "a"))
        node = await store.transact(putting("node-1", resource=NODES))
        changed = await store.transact(putting("web", "b"))
        gone = await store.transact(removing("web"))
        assert [pod.revision, node.revision, changed.revision, gone.revision] == [2, 3, 4, 5]
        assert store.revision == 5
        assert store.get(NODES, key("node-1")) == node
        assert store.get(PODS, key("web")) is None

    run(check)


def test_a_record_is_what_make_said(run: Run) -> None:
    async def check(store: Store) -> None:
        record = await store.transact(lambda view: view.put(PODS, key("web"), made("hello", app="web")))
        assert (record.resource, record.key, record.labels) == (PODS, Key("default", "web"), {"app": "web"})
        assert text_of(record) == "hello"
        assert store.get(PODS, key("web")) == record

    run(check)


def test_lists_are_in_key_order_and_by_namespace(run: Run) -> None:
    async def check(store: Store) -> None:
        for namespace, name in [("b", "2"), ("a", "9"), ("b", "1"), ("ab", "5"), ("a", "10"), ("b-c", "0")]:
            await store.transact(putting(name, namespace=namespace))
        await store.transact(putting("elsewhere", resource=NODES, namespace="b"))
        assert names(store) == ["10", "9", "5", "1", "2", "0"]
        assert names(store, namespace="a") == ["10", "9"]
        assert names(store, namespace="b") == ["1", "2"]
        assert names(store, namespace="c") == []
        assert store.list(PODS)[1] == store.revision

    run(check)


def test_lists_of_the_past_are_what_was_there(run: Run) -> None:
    async def check(store: Store) -> None:
        lists: dict[int, list[tuple[str, str, str | None]]] = {}
        changes = [
            putting("b"), putting("a"), putting("a", "new"), putting("a", namespace="other"), putting("n", resource=NODES),
            removing("b"), putting("c"), putting("b", "again"), removing("a"),
        ]  # fmt: skip
        for change in changes:
            await store.transact(change)
            records, revision = store.list(PODS)
            lists[revision] = [(*each.key, text_of(each)) for each in records]
        assert len(lists) == len(changes)
        for revision, listed in lists.items():
            records, found = store.list(PODS, at=revision)
            assert ([(*each.key, text_of(each)) for each in records], found) == (listed, revision)
            records, _ = store.list(PODS, "default", revision)
            assert [(*each.key, text_of(each)) for each in records] == [each for each in listed if each[0] == "default"]

    run(check)


def test_lists_from_before_the_history_and_of_the_future_are_gone(run: Run) -> None:
    async def check(store: Store) -> None:
        for number in range(HISTORY + 5):
            await store.transact(putting("a", str(number)))
        for revision in (2, store.revision + 1):
            with pytest.raises(ApiError) as refusal:
                store.list(PODS, at=revision)
            assert refusal.value.code == 410

    run(check)


def test_a_transaction_sees_its_own_writes_and_the_result_is_returned(run: Run) -> None:
    def counted(view: StoreView) -> int:
        view.put(PODS, key("a"), made())
        view.put(PODS, key("b"), made())
        view.remove(PODS, key("a"), made())
        assert view.get(PODS, key("a")) is None
        return len(view.list(PODS))

    async def check(store: Store) -> None:
        assert await store.transact(counted) == 1
        assert store.revision == 4

    run(check)


def test_nothing_stays_of_a_transaction_that_raises(run: Run) -> None:
    def failing(view: StoreView) -> None:
        view.put(PODS, key("web"), made("changed"))
        view.put(PODS, key("other"), made())
        view.remove(NODES, key("node-1"), made())
        view.take("ports", "30080", "other")
        view.release("ports", "30000")
        raise LookupError("no")

    async def check(store: Store) -> None:
        await store.transact(putting("web", "first"))
        await store.transact(putting("node-1", resource=NODES))
        await store.transact(lambda view: view.take("ports", "30000", "web"))
        watch = store.watch(PODS, store.revision)
        with pytest.raises(LookupError):
            await store.transact(failing)
        assert text_of(store.get(PODS, key("web"))) == "first"
        assert (names(store), names(store, NODES)) == (["web"], ["node-1"])
        assert await store.transact(lambda view: dict(view.held("ports"))) == {"30000": "web"}
        assert await store.transact(lambda view: [each.key.name for each in view.list(PODS)]) == ["web"]
        assert (await store.transact(putting("next"))).revision == 4
        assert told(await watch.next()) == [(ADDED, "next", "", None)]

    run(check)


def test_make_that_raises_writes_nothing(run: Run) -> None:
    def broken(_: int) -> tuple[bytes, dict[str, str]]:
        raise LookupError("no")

    def change(view: StoreView) -> None:
        with pytest.raises(LookupError):
            view.put(PODS, key("web"), broken)
        view.put(PODS, key("other"), made())

    async def check(store: Store) -> None:
        await store.transact(change)
        assert (names(store), store.revision) == (["other"], 2)

    run(check)


def test_removing_what_is_not_there_is_an_error(run: Run) -> None:
    async def check(store: Store) -> None:
        with pytest.raises(KeyError, match="pods default/web"):
            await store.transact(removing("web"))

    run(check)


def test_a_view_cannot_write_after_its_transaction(run: Run) -> None:
    async def check(store: Store) -> None:
        view = await store.transact(lambda view: view)
        with pytest.raises(RuntimeError, match="has ended"):
            view.put(PODS, key("web"), made())

    run(check)


def test_an_allocation_has_one_holder(run: Run) -> None:
    async def check(store: Store) -> None:
        def take(value: str, holder: str) -> Callable[[StoreView], None]:
            return lambda view: view.take("ports", value, holder)

        await store.transact(take("30000", "a"))
        await store.transact(take("30000", "a"))
        with pytest.raises(ValueError, match="held by a"):
            await store.transact(take("30000", "b"))
        assert await store.transact(lambda view: (view.holder("ports", "30000"), view.holder("ips", "30000"))) == ("a", None)
        await store.transact(lambda view: view.release("ports", "30000"))
        await store.transact(lambda view: view.release("ports", "30000"))
        await store.transact(take("30000", "b"))
        assert await store.transact(lambda view: dict(view.held("ports"))) == {"30000": "b"}
        assert store.revision == 1

    run(check)


def test_concurrent_transactions_run_one_after_the_other(run: Run) -> None:
    def increment(view: StoreView) -> int:
        count = int(text_of(view.get(PODS, key("counter"))) or 0) + 1
        view.put(PODS, key("counter"), made(str(count)))
        return count

    async def check(store: Store) -> None:
        counts = await asyncio.gather(*(store.transact(increment) for _ in range(100)))
        assert counts == list(range(1, 101))
        assert text_of(store.get(PODS, key("counter"))) == "100"

    run(check)


def test_a_watch_tells_every_change_of_its_kind_once_and_in_order(run: Run) -> None:
    async def check(store: Store) -> None:
        await store.transact(putting("web", "a"))
        watch = store.watch(PODS, 1)
        assert told(await watch.next()) == [(ADDED, "web", "a", None)]
        reader = asyncio.create_task(watch.next())
        await asyncio.sleep(0)
        await store.transact(putting("node-1", resource=NODES))
        await store.transact(putting("web", "b"))
        assert told(await reader) == [(MODIFIED, "web", "b", "a")]
        await store.transact(removing("web"))
        await store.transact(putting("web", "c"))
        assert told(await watch.next()) == [(DELETED, "web", "last words", "b"), (ADDED, "web", "c", None)]
        assert await watch.next(timeout=0) == ()

    run(check)


def test_the_revision_of_a_watch_moves_on_with_other_kinds(run: Run) -> None:
    async def check(store: Store) -> None:
        watch = store.watch(PODS, 1)
        assert watch.revision == 1
        await store.transact(putting("node-1", resource=NODES))
        assert not await watch.next(timeout=0.001)
        assert watch.revision == 2
        await store.transact(putting("web"))
        await store.transact(putting("node-2", resource=NODES))
        assert len(await watch.next()) == 1
        assert watch.revision == 4

    run(check)


def test_a_watch_from_before_the_history_is_gone(run: Run) -> None:
    async def check(store: Store) -> None:
        for number in range(HISTORY + 1):
            await store.transact(putting("web", str(number)))
        with pytest.raises(ApiError, match="too old resource version: 1 \\(2\\)") as caught:
            store.watch(PODS, 1)
        assert (caught.value.code, caught.value.reason) == (410, "Expired")
        assert len(await store.watch(PODS, 2).next()) == HISTORY

    run(check)


def test_a_watch_from_the_future_is_gone(run: Run) -> None:
    async def check(store: Store) -> None:
        with pytest.raises(ApiError, match="Too large resource version: 2, current: 1") as caught:
            store.watch(PODS, 2)
        assert caught.value.code == 410

    run(check)


def test_a_reader_that_falls_too_far_behind_is_gone(run: Run) -> None:
    async def check(store: Store) -> None:
        slow, quiet = store.watch(PODS, 1), store.watch(NODES, 1)
        for number in range(HISTORY + 1):
            await store.transact(putting("web", str(number)))
        with pytest.raises(ApiError) as caught:
            await slow.next()
        assert caught.value.code == 410
        assert await quiet.next(timeout=0) == (), "its own kind did not change, so it missed nothing"

    run(check)


def test_a_closed_watch_ends_the_read_in_progress(run: Run) -> None:
    async def check(store: Store) -> None:
        watch, other = store.watch(PODS, 1), store.watch(PODS, 1)
        reader, still = asyncio.create_task(watch.next()), asyncio.create_task(other.next())
        await asyncio.sleep(0)
        watch.close()
        with pytest.raises(RuntimeError, match="closed"):
            await reader
        await store.transact(putting("web"))
        assert len(await still) == 1

    run(check)


def test_a_thousand_watches_share_the_events(run: Run) -> None:
    async def check(store: Store) -> None:
        readers = [asyncio.create_task(store.watch(PODS, 1).next()) for _ in range(1000)]
        await asyncio.sleep(0)
        await store.transact(putting("web"))
        seen = await asyncio.gather(*readers)
        assert len({id(each[0]) for each in seen}) == 1

    run(check)


def test_a_cancelled_reader_leaves_nothing_behind(run: Run) -> None:
    async def check(store: Store) -> None:
        watch = store.watch(PODS, 1)
        reader = asyncio.create_task(watch.next(timeout=60))
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait((reader,))
        await store.transact(putting("web"))
        assert len(await watch.next()) == 1

    run(check)
