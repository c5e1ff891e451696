"""State: writes applied and taken back, and order."""

from __future__ import annotations

import random

from moorage.model.meta import Key
from moorage.model.ports import ADDED, DELETED, MODIFIED, Record, StoreEvent
from moorage.store.state import EMPTY_REVISION, Released, State, Table, Taken, Write
from tests.store.samples import PODS, key


def record(name: str, revision: int, namespace: str = "default") -> Record:
    return Record(PODS, Key(namespace, name), revision, b"{}")


def contents(state: State) -> tuple[int, list[Record], dict[str, str]]:
    return state.revision, list(state.list(PODS)), dict(state.held("ports"))


def test_every_write_can_be_taken_back() -> None:
    first, second = record("a", 2), record("a", 3)
    writes: list[Write] = [
        StoreEvent(ADDED, first),
        StoreEvent(MODIFIED, second, first),
        Taken("ports", "30000", "a"),
        Released("ports", "30000", "a"),
        StoreEvent(DELETED, record("a", 4), second),
    ]
    state = State()
    before = []
    for write in writes:
        before.append(contents(state))
        state.apply(write)
    assert contents(state) == (4, [], {})
    for write in reversed(writes):
        state.revert(write)
        assert contents(state) == before.pop()


def test_a_copy_is_independent() -> None:
    state = State()
    state.apply(StoreEvent(ADDED, record("a", 2)))
    state.apply(Taken("ports", "30000", "a"))
    twin = state.copy()
    twin.apply(StoreEvent(DELETED, record("a", 3), record("a", 2)))
    twin.apply(Released("ports", "30000", "a"))
    assert contents(state) == (2, [record("a", 2)], {"30000": "a"})
    assert contents(twin) == (3, [], {})


def test_an_empty_state_answers() -> None:
    state = State()
    assert (state.revision, state.get(PODS, key("a")), list(state.list(PODS))) == (EMPTY_REVISION, None, [])
    assert (state.holder("ports", "1"), dict(state.held("ports"))) == (None, {})


def test_a_table_stays_sorted() -> None:
    rolls = random.Random(1)
    records = [record(str(rolls.randrange(100)), 2, rolls.choice(["a", "a-b", "b"])) for _ in range(300)]
    table = Table.of(records[:50])
    for each in records[50:]:
        table.put(each)
    for each in records[::3]:
        table.discard(each.key)
    left = {each.key for each in records} - {each.key for each in records[::3]}
    assert [each.key for each in table.list("")] == sorted(left)
    assert [each.key for each in table.list("a")] == sorted(each for each in left if each.namespace == "a")


def test_a_list_of_a_table_is_made_once_and_never_changes() -> None:
    table = Table.of([record("a", 2), record("b", 3)])
    before = table.list("")
    assert table.list("") is before
    table.put(record("c", 4))
    table.discard(Key("default", "a"))
    assert [each.key.name for each in before] == ["a", "b"]
    assert [each.key.name for each in table.list("")] == ["b", "c"]
    assert [each.revision for each in table.copy().list("")] == [3, 4]
