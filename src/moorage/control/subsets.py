"""Subsets of Endpoints in their canonical form, and cut to what one object may hold.

Source: upstream `pkg/api/v1/endpoints/util.go` RepackSubsets, and truncateEndpoints of the endpoints controller. Upstream sorts
ports and subsets by a hash of Go values; here they are in the order of their names and numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from moorage.model.endpoints import MAX_ADDRESSES, EndpointAddress, EndpointSubset, SubsetPort

_Identity = tuple[str, str]
"""An address, and the uid of what it targets: in upstream's order."""

_NO_PORT = SubsetPort()
"""Stands for "no ports": a headless Service may have none."""


def repacked(subsets: Iterable[EndpointSubset]) -> tuple[EndpointSubset, ...]:
    """The same addresses and ports: ports with the same addresses share a subset, sorted. Not ready beats ready."""
    addresses: dict[_Identity, EndpointAddress] = {}
    by_port: dict[SubsetPort, dict[_Identity, bool]] = {}
    for subset in subsets:
        listed = [*((each, True) for each in subset.addresses), *((each, False) for each in subset.not_ready_addresses)]
        for port in (subset.ports or (_NO_PORT,)) if listed else ():
            states = by_port.setdefault(port, {})
            for address, ready in listed:
                identity = _identity(address)
                addresses.setdefault(identity, address)
                states[identity] = ready and states.get(identity, True)
    ports: dict[tuple[tuple[_Identity, bool], ...], list[SubsetPort]] = {}
    for port, states in by_port.items():
        ports.setdefault(tuple(sorted(states.items())), []).append(port)
    packed = (
        EndpointSubset(
            addresses=tuple(addresses[identity] for identity, ready in states if ready),
            not_ready_addresses=tuple(addresses[identity] for identity, ready in states if not ready),
            ports=tuple(sorted((each for each in of_these if each is not _NO_PORT and each.port), key=_order)),
        )
        for states, of_these in ports.items()
    )
    return tuple(sorted(packed, key=lambda subset: [_order(each) for each in subset.ports]))


def truncated(subsets: tuple[EndpointSubset, ...], limit: int = MAX_ADDRESSES) -> tuple[tuple[EndpointSubset, ...], bool]:
    """At most `limit` addresses, ready ones first, each subset its share; and whether any was left out."""
    ready = sum(len(each.addresses) for each in subsets)
    waiting = sum(len(each.not_ready_addresses) for each in subsets)
    if ready + waiting <= limit:
        return subsets, False
    cut = []
    if ready > limit:
        left = limit
        for each in subsets:
            share = min(left, math.ceil(len(each.addresses) * limit / ready))
            left -= min(share, len(each.addresses))
            cut.append(replace(each, addresses=each.addresses[:share], not_ready_addresses=()))
        return tuple(cut), True
    left = room = limit - ready
    for each in subsets:
        share = min(left, math.ceil(len(each.not_ready_addresses) * room / waiting))
        left -= min(share, len(each.not_ready_addresses))
        cut.append(replace(each, not_ready_addresses=each.not_ready_addresses[:share]))
    return tuple(cut), True


def _identity(address: EndpointAddress) -> _Identity:
    return address.ip, address.target_ref.uid if address.target_ref is not None else ""


def _order(port: SubsetPort) -> tuple[str, int, str]:
    return port.name, port.port, port.protocol
