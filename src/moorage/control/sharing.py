"""When several LoadBalancer Services may have one address (`metallb.io/allow-shared-ip`).

The rules are MetalLB's (`internal/allocator`, function `sharingOK`): the same word in the annotation, no port and protocol in
common, and a traffic policy under which the same machines can answer for all of them: Cluster, or Local with identical
selectors. Ours besides: the same provider serves them, since an address is either the edge's or the nodes'.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.model.service import Service
from moorage.table.frontends import LOCAL
from moorage.table.port_ranges import port_ranges

SHARING_ANNOTATIONS = ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")

PortSpan = tuple[str, int, int]
"""Protocol, first and last port."""


class Claim(msgspec.Struct, frozen=True):
    """What a Service does with its address. `sharing` is empty where it shares with nobody; `selector` counts with Local only.

    `provider` is empty for a load balancer that is not ours.
    """

    sharing: str = ""
    provider: str = ""
    local: bool = False
    selector: tuple[tuple[str, str], ...] = ()
    ports: tuple[PortSpan, ...] = ()


def claim_of(service: Service, provider: str) -> Claim:
    annotations, spec = service.metadata.annotations, service.spec
    sharing = next((annotations[name] for name in SHARING_ANNOTATIONS if name in annotations), "")
    local = spec.external_traffic_policy == LOCAL
    selector = tuple(sorted(spec.selector.items())) if local else ()
    return Claim(sharing if provider else "", provider, local, selector, tuple(_ports(service)))


def clash(one: Claim, other: Claim) -> str:
    """Why these two cannot have one address, said of `other`; empty where they can."""
    name = SHARING_ANNOTATIONS[0]
    if not one.sharing:
        return f"the annotation {name} is not set here"
    if not other.sharing:
        return f"it shares with nobody: the annotation {name} is not set there"
    if one.sharing != other.sharing:
        return f'it shares as "{other.sharing}", this Service as "{one.sharing}" ({name})'
    if one.local != other.local:
        return "its externalTrafficPolicy is another one"
    if one.selector != other.selector:
        return "with externalTrafficPolicy Local the selectors have to be identical"
    if one.provider != other.provider:
        return f"another load balancer serves it ({other.provider}, not {one.provider})"
    both = next((_common(mine, theirs) for mine in one.ports for theirs in other.ports if _meet(mine, theirs)), None)
    return f"both have port {both[1]}/{both[0]}" if both else ""


def _ports(service: Service) -> Iterator[PortSpan]:
    """The ports of the Service, with the ranges that some of them stand for."""
    ranges = {(protocol.value, first): last for (protocol, first), last in port_ranges(service, []).items()}
    for each in service.spec.ports:
        protocol = each.protocol or "TCP"
        yield protocol, each.port, ranges.get((protocol, each.port), each.port)


def _meet(one: PortSpan, other: PortSpan) -> bool:
    return one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]


def _common(one: PortSpan, other: PortSpan) -> tuple[str, int]:
    return one[0], max(one[1], other[1])
