"""One Pod, a Service and its slices -> why new connections still go to the Pod, or nothing.

It is the choice of the table that the nodes compile: ready endpoints, and without any those that serve while they terminate
(KEP-1669), the latter also on a node by itself where a policy of Local keeps traffic there. For a headless Service it is what
DNS answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Family, Protocol, pack_address
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.service import HEADLESS, Service
from moorage.model.slices import Endpoint, EndpointSlice
from moorage.table.frontends import LOCAL
from moorage.table.select import State, Wanted, candidates, select


class Use(msgspec.Struct, frozen=True):
    """ENDPOINT_READY, or ENDPOINT_TERMINATING_FALLBACK where there is nobody else; `message` is a sentence for people."""

    reason: Reason
    message: str


def still_used(pod: Pod, service: Service, slices: Collection[EndpointSlice]) -> Use | None:
    """`slices` are all of the Service."""
    mine = [each for of in slices for each in of.endpoints if is_of(each, pod.key)]
    if not mine:
        return None
    if service.spec.cluster_ip == HEADLESS:
        return _ready(service) if any(each.ready for each in mine) else None
    local = LOCAL in (service.spec.internal_traffic_policy, service.spec.external_traffic_policy)
    for wanted in _ports(slices):
        packed = {pack_address(each.addresses[0], wanted.family) for each in mine if each.addresses}
        known = candidates(slices, wanted)
        for node in (None, pod.spec.node_name) if local else (None,):
            chosen = {each.endpoint for each in select(known, node).backends if each.endpoint[:-2] in packed}
            if not chosen:
                continue
            if any(each.state is State.READY for each in known.endpoints if each.backend.endpoint in chosen):
                return _ready(service)
            where = f" on node {node}" if node else ""
            message = f"no other endpoint of Service {service.key} is ready{where}: new connections still come here"
            return Use(Reason.ENDPOINT_TERMINATING_FALLBACK, message)
    return None


def is_of(endpoint: Endpoint, pod: Key) -> bool:
    """Whether the endpoint is that Pod."""
    target = endpoint.target_ref
    return target is not None and target.kind == "Pod" and target.name == pod.name and target.namespace == pod.namespace


def _ports(slices: Collection[EndpointSlice]) -> Iterator[Wanted]:
    """Every port that the slices have, in each family. One whose protocol nobody knows is no node's."""
    found = {(each.address_type, port.name, port.protocol or "TCP") for each in slices for port in each.ports}
    for address_type, name, protocol in sorted(found):
        if address_type in (Family.IPV4.value, Family.IPV6.value) and protocol in Protocol.__members__:
            yield Wanted(Family(address_type), name, Protocol(protocol))


def _ready(service: Service) -> Use:
    return Use(Reason.ENDPOINT_READY, f"Service {service.key} still has the Pod as a ready endpoint")
