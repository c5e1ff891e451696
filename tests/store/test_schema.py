"""Rows there and back."""

from __future__ import annotations

from moorage.model.ports import ADDED, MODIFIED, Record, StoreEvent
from moorage.store.schema import event_values, read_event
from tests.store.samples import PODS, key


def test_an_event_becomes_a_row_and_its_record_comes_back() -> None:
    first = Record(PODS, key("wäb"), 7, b'{"a":1}', {"app": "wäb"})
    second = Record(PODS, key("wäb"), 9, b"{}")
    assert event_values(StoreEvent(ADDED, first)) == (7, "ADDED", PODS, "default", "wäb", None, '{"app":"wäb"}', b'{"a":1}')
    assert event_values(StoreEvent(MODIFIED, second, first)) == (9, "MODIFIED", PODS, "default", "wäb", 7, "{}", b"{}")
    assert read_event((7, "ADDED", PODS, "default", "wäb", '{"app":"wäb"}', b'{"a":1}')) == (ADDED, first)
