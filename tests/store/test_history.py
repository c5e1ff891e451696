"""History: events after a revision, or 410."""

from __future__ import annotations

import sys

import pytest

from moorage.model.errors import ApiError
from moorage.model.ports import ADDED, Record, StoreEvent
from moorage.store.history import History
from tests.store.samples import NODES, PODS, key


def filled(limit: int, resources: str) -> History:
    """One event per letter, from revision 2 on: p for a Pod, n for a Node."""
    history = History(limit)
    for revision, letter in enumerate(resources, start=2):
        resource = PODS if letter == "p" else NODES
        history.append(StoreEvent(ADDED, Record(resource, key(str(revision)), revision, b"{}")))
    return history


def after(history: History, resource: str, revision: int) -> list[int]:
    return [each.revision for each in history.after(resource, revision)]


def test_events_are_given_by_kind_in_order() -> None:
    history = filled(10, "pnppn")
    assert after(history, PODS, 1) == [2, 4, 5]
    assert after(history, PODS, 3) == [4, 5]
    assert after(history, NODES, 6) == []
    assert after(history, "services", 1) == []


def test_only_forgotten_events_of_the_same_kind_matter() -> None:
    history = filled(3, "pnpnnn")
    assert after(history, PODS, 4) == []
    with pytest.raises(ApiError, match="too old resource version: 3 \\(4\\)"):
        history.after(PODS, 3)
    assert after(history, NODES, 3) == [5, 6, 7]
    with pytest.raises(ApiError, match="too old resource version: 2 \\(3\\)"):
        history.after(NODES, 2)


def test_what_was_before_the_ring_is_forgotten_for_every_kind() -> None:
    history = History(10, floor=50)
    assert after(history, PODS, 50) == []
    with pytest.raises(ApiError):
        history.after(PODS, 49)


def test_readers_at_the_same_place_share_one_answer_until_the_next_event() -> None:
    history = filled(10, "pp")
    first = history.after(PODS, 1)
    assert history.after(PODS, 1) is first
    history.append(StoreEvent(ADDED, Record(PODS, key("4"), 4, b"{}")))
    assert after(history, PODS, 1) == [2, 3, 4]
    assert after(history, PODS, 2) == [3, 4]


def test_a_forgotten_event_is_let_go_also_by_the_last_answer() -> None:
    history = History(2)
    event = StoreEvent(ADDED, Record(PODS, key("2"), 2, b"{}"))
    unknown = sys.getrefcount(event)
    history.append(event)
    assert after(history, PODS, 1) == [2]
    assert sys.getrefcount(event) > unknown
    for revision in (3, 4):
        history.append(StoreEvent(ADDED, Record(NODES, key("n"), revision, b"{}")))
    assert sys.getrefcount(event) == unknown


def test_a_history_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        History(0)
