from __future__ import annotations

import pytest

from moorage.control.taints import untolerated, with_condition_taints
from moorage.model.cluster import Taint
from moorage.model.wire import Tree
from tests.control.things import node

NOW = 1767225600.0
THEN = "2026-01-01T00:00:00Z"


def taint(key: str, effect: str = "NoSchedule", value: str = "", added: str | None = None) -> Taint:
    return Taint(key=key, value=value, effect=effect, time_added=added)


OWN = taint("mine", value="1")
SILENT = tuple(taint("node.kubernetes.io/unreachable", effect, added=THEN) for effect in ("NoExecute", "NoSchedule"))
UNREADY = tuple(taint("node.kubernetes.io/not-ready", effect, added=THEN) for effect in ("NoExecute", "NoSchedule"))


@pytest.mark.parametrize(
    ("ready", "unschedulable", "before", "after"),
    [
        ("True", False, (OWN,), (OWN,)),
        ("Unknown", False, (OWN,), (OWN, *SILENT)),
        ("Unknown", False, (OWN, *SILENT), (OWN, *SILENT)),
        ("False", False, (), UNREADY),
        ("False", False, SILENT, UNREADY),
        ("True", False, (*SILENT, OWN), (OWN,)),
        ("True", True, (), (taint("node.kubernetes.io/unschedulable", added=THEN),)),
        ("True", False, (taint("node.kubernetes.io/unschedulable"),), ()),
        ("", False, (), ()),
    ],
)
def test_conditions_ask_for_taints(
    ready: str, unschedulable: bool, before: tuple[Taint, ...], after: tuple[Taint, ...]
) -> None:
    assert with_condition_taints(node("n", ready=ready, taints=before, unschedulable=unschedulable), NOW) == after


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "operator": "Equal", "value": "1"}, True),
        ({"key": "a", "value": "1", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "a", "value": "2"}, False),
        ({"key": "a", "value": "1", "effect": "NoExecute"}, False),
        ({"key": "b", "operator": "Exists"}, False),
        ({"value": "1"}, False),
    ],
)
def test_tolerations(toleration: Tree, tolerated: bool) -> None:
    own = taint("a", value="1")
    assert untolerated((own,), (toleration,)) == (None if tolerated else own)


def test_every_taint_must_be_tolerated_but_those_of_preference() -> None:
    a, b, soft = taint("a"), taint("b", "NoExecute"), taint("c", "PreferNoSchedule")
    exists_a = {"key": "a", "operator": "Exists"}
    assert untolerated((soft,), ()) is None
    assert untolerated((soft, a, b), (exists_a,)) == b
    assert untolerated((a, b), ()) == a
