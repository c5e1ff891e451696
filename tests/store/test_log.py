"""Log: head and committed state."""

from __future__ import annotations

import pytest

from moorage.model.errors import ApiError
from moorage.model.ports import StoreView
from moorage.store.history import History
from moorage.store.log import Log
from moorage.store.state import State, Taken
from tests.store.samples import PODS, key, made, putting, text_of, told


def empty() -> Log:
    return Log(State(), History())


def text(log: Log, name: str) -> str | None:
    return text_of(log.committed.get(PODS, key(name)))


def test_later_transactions_see_what_is_not_committed_and_readers_do_not() -> None:
    log = empty()
    _, first = log.run(putting("web", "a"))
    seen, second = log.run(lambda view: text_of(view.get(PODS, key("web"))))
    assert (seen, second) == ("a", [])
    assert (text(log, "web"), log.committed.revision) == (None, 1)
    assert not log.events(PODS, 1)
    log.commit(first)
    assert (text(log, "web"), log.committed.revision) == ("a", 2)
    assert told(log.events(PODS, 1)) == [("ADDED", "web", "a", None)]


def test_abandoned_transactions_leave_no_trace_and_their_revisions_are_given_again() -> None:
    log = empty()
    _, writes = log.run(putting("web", "kept"))
    log.commit(writes)
    lost, _ = log.run(putting("web", "lost"))
    log.run(lambda view: view.take("ports", "30000", "web"))
    log.abandon()
    again, writes = log.run(putting("web", "again"))
    assert (lost.revision, again.revision) == (3, 3)
    assert log.run(lambda view: view.holder("ports", "30000"))[0] is None
    log.commit(writes)
    assert told(log.events(PODS, 2)) == [("MODIFIED", "web", "again", "kept")]


def test_writes_are_values_in_order() -> None:
    def change(view: StoreView) -> None:
        view.take("ports", "30000", "web")
        view.put(PODS, key("web"), made())

    _, writes = empty().run(change)
    assert writes[0] == Taken("ports", "30000", "web")
    assert len(writes) == 2


def test_events_of_the_future_are_gone() -> None:
    log = empty()
    log.run(putting("web"))
    with pytest.raises(ApiError, match="Too large resource version: 2, current: 1"):
        log.events(PODS, 2)
