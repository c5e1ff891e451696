from __future__ import annotations

from moorage.model.cluster import eligible
from tests.table.objects import node


def test_a_node_that_stays_may_get_new_connections() -> None:
    assert eligible(node("stays"))
    assert eligible(node("stays", taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]))


def test_a_node_that_goes_away_or_is_unknown_may_not() -> None:
    assert not eligible(node("scaled-down", taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]))
    assert not eligible(node("deleted", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}))
    assert not eligible(None)
