"""Hints (`TestCategorizeEndpoints` in `pkg/proxy/topology_test.go`; names of rows are upstream's)."""

from __future__ import annotations

import pytest

from moorage.model.reason import Reason
from moorage.model.slices import EndpointHints, ForNode, ForZone
from moorage.table.topology import Near, preferred


def zones(*names: str, nodes: tuple[str, ...] = ()) -> EndpointHints:
    return EndpointHints(
        for_zones=tuple(ForZone(name=each) for each in names), for_nodes=tuple(ForNode(name=each) for each in nodes)
    )


NONE = None
A, B, C = zones("zone-a"), zones("zone-b"), zones("zone-c")
BOTH = (
    zones("zone-a", nodes=("node-1",)),
    zones("zone-b", nodes=("node-2",)),
    zones("zone-c", nodes=("node-3",)),
    zones("zone-a", nodes=("node-4",)),
)
ZONE, NODE = Reason.SAME_ZONE, Reason.SAME_NODE

ROWS: list[tuple[str, Near, tuple[EndpointHints | None, ...], Reason | None, str]] = [
    ("all endpoints have hints, node has a zone label", Near(zone="zone-a"), (A, B, C, A), ZONE, "0 3"),
    ("empty node labels", Near(), (A,), None, "0"),
    ("node in different zone, no endpoint filtering", Near(zone="zone-b"), (A,), None, "0"),
    ("unready endpoint", Near(zone="zone-a"), (A, B, C), ZONE, "0"),
    ("only unready endpoints in same zone (should not filter)", Near(zone="zone-a"), (B, C), None, "0 1"),
    ("missing hints, no filtering applied", Near(zone="zone-a"), (A, B, NONE, A), None, "0 1 2 3"),
    (
        "multiple hints per endpoint, filtering includes any endpoint with zone included",
        Near(zone="zone-c"),
        (zones("zone-a", "zone-b", "zone-c"), zones("zone-b", "zone-c"), zones("zone-b", "zone-d"), C),
        ZONE,
        "0 1 3",
    ),
    ("PreferSameNode available", Near("node-1", "zone-a"), BOTH, NODE, "0"),
    (
        "PreferSameNode ignored if some endpoints unhinted",
        Near("node-1", "zone-a"),
        (BOTH[0], NONE, *BOTH[2:]),
        None,
        "0 1 2 3",
    ),
    ("PreferSameNode falls back to PreferSameZone if no endpoint for node", Near("node-0", "zone-a"), BOTH, ZONE, "0 3"),
    ("node hints only, no endpoint for node", Near("node-0", "zone-a"), (zones(nodes=("node-1",)),), None, "0"),
    ("node hints on some, zone hints on all", Near("node-1", "zone-a"), (BOTH[0], B), ZONE, "0"),
    ("no ready endpoint", Near("node-1", "zone-a"), (), None, ""),
]


@pytest.mark.parametrize(("near", "ready", "mode", "used"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_which_endpoints_hints_choose(
    near: Near, ready: tuple[EndpointHints | None, ...], mode: Reason | None, used: str
) -> None:
    assert preferred(ready, near) is mode
    assert " ".join(str(index) for index, hints in enumerate(ready) if near.hinted(hints, mode)) == used
