"""Hints of ready endpoints + where a node is -> whether it keeps to its own node, its own zone, or uses all endpoints.

    every ready endpoint has node hints, one names this node   -> same node
    else every one has zone hints, one names this zone          -> same zone
    else                                                        -> all

Source: upstream `pkg/proxy/topology.go` (KEP-2433, KEP-4444, KEP-3015). Hints never leave a node without an endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.model.reason import Reason
from moorage.model.slices import EndpointHints, ForNode, ForZone


class Near(msgspec.Struct, frozen=True):
    """Where a node is; empty where unknown. `zone` is its label topology.kubernetes.io/zone."""

    node: str = ""
    zone: str = ""

    def hinted(self, hints: EndpointHints | None, mode: Reason | None) -> bool:
        """Whether an endpoint with these hints is for this node, under a mode that `preferred` gave."""
        if mode is Reason.SAME_NODE:
            return hints is not None and ForNode(name=self.node) in hints.for_nodes
        if mode is Reason.SAME_ZONE:
            return hints is not None and ForZone(name=self.zone) in hints.for_zones
        return True


def preferred(ready: Iterable[EndpointHints | None], near: Near) -> Reason | None:
    """SAME_NODE, SAME_ZONE, or None for all. One endpoint without hints ends the search."""
    node, zone = ForNode(name=near.node), ForZone(name=near.zone)
    every_node, every_zone, this_node, this_zone = True, True, False, False
    for hints in ready:
        if hints is None:
            return None
        every_node = every_node and bool(hints.for_nodes)
        every_zone = every_zone and bool(hints.for_zones)
        if not every_node and not every_zone:
            return None
        this_node = this_node or node in hints.for_nodes
        this_zone = this_zone or zone in hints.for_zones
    if every_node and this_node:
        return Reason.SAME_NODE
    return Reason.SAME_ZONE if every_zone and this_zone else None


LEFT_OUT = {Reason.SAME_NODE: Reason.ENDPOINT_OTHER_NODE, Reason.SAME_ZONE: Reason.ENDPOINT_OTHER_ZONE}
"""Why a ready endpoint is not used, by mode."""
