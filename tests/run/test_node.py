from __future__ import annotations

from moorage.model.snapshot import Snapshot
from moorage.observe.health import Health
from moorage.run.node import node_health
from tests.table.objects import node

TAINT = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
GOOD = Health(True, 10.0)


def test_health_tells_of_the_own_node_only() -> None:
    snapshot = Snapshot.of([node("node-1"), node("node-2", taints=[TAINT])])
    assert node_health("node-1", GOOD, snapshot) == GOOD
    assert node_health("node-2", GOOD, snapshot) == Health(True, 10.0, node_eligible=False)


def test_a_node_that_the_api_does_not_know_is_not_eligible() -> None:
    assert node_health("node-1", GOOD, Snapshot.of([])) == Health(True, 10.0, node_eligible=False)
