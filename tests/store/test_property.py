"""Any sequence of transactions, failures, restarts and watches against a dict: the store and the dict agree throughout."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from moorage.model.errors import HostError
from moorage.model.ports import DELETED, Store, StoreView, Subscription
from moorage.store.disk_io import DiskStore
from moorage.store.fake import MemoryStore
from tests.store.samples import PODS, FaultyDisk, key, made, open_faulty, text_of

Objects = dict[str, str]
Held = dict[str, str]
Step = tuple[str, str, str]

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "take", "release"]), st.sampled_from("abc"), st.sampled_from("xy")), max_size=4
)


class Abort(Exception):
    """Ends a transaction on purpose."""


def apply(steps: list[Step], objects: Objects, held: Held) -> int:
    """What the steps mean, on dicts. Gives the number of revisions they use."""
    used = 0
    for verb, name, word in steps:
        if verb == "put":
            objects[name] = word
            used += 1
        elif verb == "remove" and name in objects:
            del objects[name]
            used += 1
        elif verb == "take":
            held.setdefault(name, word)
        elif verb == "release":
            held.pop(name, None)
    return used


def change(steps: list[Step], abort: bool) -> Callable[[StoreView], None]:
    """The same steps as a transaction."""

    def run(view: StoreView) -> None:
        for verb, name, word in steps:
            if verb == "put":
                view.put(PODS, key(name), made(word))
            elif verb == "remove" and view.get(PODS, key(name)):
                view.remove(PODS, key(name), made())
            elif verb == "take" and view.holder("pool", name) is None:
                view.take("pool", name, word)
            elif verb == "release":
                view.release("pool", name)
        if abort:
            raise Abort

    return run


class StoreAgainstDict(RuleBasedStateMachine):
    """The rules that every store obeys, on a MemoryStore."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store: Store = MemoryStore(history=1000)
        self.objects: Objects = {}
        self.held: Held = {}
        self.revision = 1
        self.watches: list[tuple[Subscription, Objects]] = []

    def teardown(self) -> None:
        self.runner.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(asyncio.wait_for(work, 20))

    def all_at_once(self, transactions: list[tuple[list[Step], bool]]) -> list[BaseException | None]:
        async def run() -> list[BaseException | None]:
            changes = (self.store.transact(change(*each)) for each in transactions)
            return list(await asyncio.gather(*changes, return_exceptions=True))

        outcome: list[BaseException | None] = self.do(run())
        return outcome

    @rule(transactions=st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=5))
    def transact(self, transactions: list[tuple[list[Step], bool]]) -> None:
        outcomes = self.all_at_once(transactions)
        for (steps, abort), outcome in zip(transactions, outcomes, strict=True):
            assert isinstance(outcome, Abort) if abort else outcome is None
            if not abort:
                self.revision += apply(steps, self.objects, self.held)

    @rule()
    def watch(self) -> None:
        self.watches.append((self.store.watch(PODS, self.store.revision), dict(self.objects)))

    @rule()
    def drain(self) -> None:
        for watch, replica in self.watches:
            for event in self.do(watch.next(timeout=0)):
                name = event.record.key.name
                assert text_of(event.previous) == replica.get(name)
                if event.type == DELETED:
                    del replica[name]
                else:
                    replica[name] = text_of(event.record) or ""
            assert replica == self.objects
            assert watch.revision == self.revision

    @invariant()
    def agrees(self) -> None:
        records, revision = self.store.list(PODS)
        assert [(each.key.name, text_of(each)) for each in records] == sorted(self.objects.items())
        assert revision == self.store.revision == self.revision
        assert all(self.store.get(PODS, each.key) == each for each in records)
        assert self.do(self.store.transact(lambda view: dict(view.held("pool")))) == self.held


class DiskAgainstDict(StoreAgainstDict):
    """The same on disk, with commits that fail and restarts."""

    store: DiskStore
    disk: FaultyDisk

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.open()

    def open(self) -> None:
        self.store, self.disk = self.do(open_faulty(Path(self.directory.name) / "store.db", 1000))

    def teardown(self) -> None:
        self.do(self.store.close())
        self.directory.cleanup()
        super().teardown()

    @precondition(lambda self: self.revision > 1)
    @rule(transactions=st.lists(STEPS, min_size=1, max_size=3))
    def fail(self, transactions: list[list[Step]]) -> None:
        self.disk.refusal = HostError("the disk is full")
        outcomes = self.all_at_once([([("put", "a", "x"), *steps], False) for steps in transactions])
        self.disk.refusal = None
        assert all(isinstance(each, HostError) for each in outcomes)

    @rule()
    def restart(self) -> None:
        self.do(self.store.close())
        self.open()
        self.watches = [(self.store.watch(PODS, watch.revision), replica) for watch, replica in self.watches]


@pytest.mark.parametrize("machine", [StoreAgainstDict, DiskAgainstDict])
def test_a_store_agrees_with_a_dict(machine: type[StoreAgainstDict]) -> None:
    bounded = settings(max_examples=25, stateful_step_count=20, deadline=None, derandomize=True)
    run_state_machine_as_test(machine, settings=bounded)
