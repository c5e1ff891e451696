"""A Service, its slices and a node -> the endpoints that the node does not use, and why: what `moorage explain` prints."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from moorage.model.net import Family
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.table.checked_ports import checked_ports
from moorage.table.frontends import LOCAL
from moorage.table.select import USED, Wanted, candidates, explain
from moorage.table.topology import Near
from moorage.table.types import Backend, NodeFacts


class LeftOut(msgspec.Struct, frozen=True):
    """`outside` tells connections to NodePorts and external addresses from those to the ClusterIP."""

    outside: bool
    reason: Reason
    backends: tuple[Backend, ...]


def left_out(service: Service, slices: Collection[EndpointSlice], facts: NodeFacts) -> Iterator[LeftOut]:
    """Grouped by reason, in order of reasons met. What is outside is told where its policy is another one."""
    policies = {service.spec.internal_traffic_policy == LOCAL: False}
    if service.spec.type != "ClusterIP" or service.spec.external_ips:
        policies.setdefault(service.spec.external_traffic_policy == LOCAL, True)
    for local, outside in policies.items():
        found: dict[Reason, dict[Backend, None]] = {}
        for port in checked_ports(service, []):
            for family in Family:
                known = candidates(slices, Wanted(family, port.name, port.protocol), facts.weights)
                for backend, reason in explain(known, facts.name if local else None, Near(facts.name, facts.zone)):
                    if reason not in USED:
                        found.setdefault(reason, {})[backend] = None
        for reason, backends in found.items():
            yield LeftOut(outside, reason, tuple(backends))
