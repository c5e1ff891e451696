"""Endpoints -> EndpointSlices, with as few writes as possible.

Full slices are left alone; room is filled before anything new is made; nothing is moved between slices to save space.
Source: upstream `k8s.io/endpointslice` reconciler.go, reconcileByPortMapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from moorage.model.slices import MAX_ENDPOINTS_PER_SLICE, Endpoint, EndpointSlice

Identity = tuple[tuple[str, ...], str, str, str]
"""What makes an endpoint the same one while its conditions change: addresses, hostname, and the Pod's namespace and name."""

Labels = Mapping[str, str]


class Packing(msgspec.Struct, frozen=True):
    """`new` holds the endpoints of each slice that is to be made; `kept` are those that need no write."""

    kept: tuple[EndpointSlice, ...] = ()
    updated: tuple[EndpointSlice, ...] = ()
    emptied: tuple[EndpointSlice, ...] = ()
    new: tuple[tuple[Endpoint, ...], ...] = ()


def identity(endpoint: Endpoint) -> Identity:
    pod = endpoint.target_ref
    return endpoint.addresses, endpoint.hostname or "", pod.namespace if pod else "", pod.name if pod else ""


def pack(
    existing: Iterable[EndpointSlice], wanted: Iterable[Endpoint], labels: Labels, limit: int = MAX_ENDPOINTS_PER_SLICE
) -> Packing:
    """Places `wanted` into `existing` slices, all of one Service, address type and port set, and into new ones."""
    homeless = {identity(each): each for each in wanted}
    kept: list[EndpointSlice] = []
    changed: list[EndpointSlice] = []
    emptied: list[EndpointSlice] = []
    for old in existing:
        staying = tuple(homeless.pop(name) for name in map(identity, old.endpoints) if name in homeless)
        if staying == old.endpoints and old.metadata.labels == labels and staying:
            kept.append(old)
        elif staying:
            changed.append(_with(old, staying, labels))
        else:
            emptied.append(old)

    left = list(homeless.values())
    changed.sort(key=lambda each: len(each.endpoints), reverse=True)
    updated = [_topped_up(each, left, limit) for each in changed]
    new: list[tuple[Endpoint, ...]] = []
    while left:
        fitting = _best_fit(kept, len(left), limit)
        if fitting is not None:
            kept.remove(fitting)
            updated.append(_topped_up(_with(fitting, fitting.endpoints, labels), left, limit))
        else:
            new.append(_taken(left, limit))
    return Packing(tuple(kept), tuple(updated), tuple(emptied), tuple(new))


def _topped_up(slice_: EndpointSlice, left: list[Endpoint], limit: int) -> EndpointSlice:
    """The slice with as many of `left` as it has room for; those are taken out of `left`."""
    return replace(slice_, endpoints=slice_.endpoints + _taken(left, max(0, limit - len(slice_.endpoints))))


def _taken(left: list[Endpoint], count: int) -> tuple[Endpoint, ...]:
    taken = tuple(left[:count])
    del left[:count]
    return taken


def _best_fit(slices: Sequence[EndpointSlice], count: int, limit: int) -> EndpointSlice | None:
    """The untouched slice that takes all `count` endpoints and is fullest then; an empty placeholder is no such slice."""
    fitting = [each for each in slices if len(each.endpoints) + count <= limit]
    return max(fitting, key=lambda each: len(each.endpoints), default=None)


def _with(slice_: EndpointSlice, endpoints: tuple[Endpoint, ...], labels: Labels) -> EndpointSlice:
    return replace(slice_, metadata=replace(slice_.metadata, labels=dict(labels)), endpoints=endpoints)
