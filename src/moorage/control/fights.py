"""Two controllers that write one Service's addresses: found out by `metadata.managedFields`, and left to the other one.

A Service that somebody else overwrites more than twice within a minute is not written any more until its spec, its labels or
its annotations change. So two load balancers that do not know of each other (MetalLB beside us) come to rest.
"""

from __future__ import annotations

from collections import deque

import msgspec

from moorage.control.pool_choice import listed
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.service import PROVIDER_ANNOTATION, Service, ServiceSpec

OURS = "moorage-controller"
"""The field manager of our writes: the User-Agent of the controller, from which the API server takes it."""

FROM_POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"
"""The name of the pool that the first address is from. MetalLB writes it too."""

MOST = 2
WITHIN = 60.0
"""More than so many times in so many seconds is a fight."""


class _Shape(msgspec.Struct, frozen=True):
    """What a person would change: all but what controllers write."""

    spec: ServiceSpec
    labels: dict[str, str]
    annotations: dict[str, str]


class Fights:
    """`wrote` what shows of ours, `seen` what a newer version of a Service shows."""

    def __init__(self) -> None:
        self._ours: dict[Key, tuple[Address, ...]] = {}
        self._overwritten: dict[Key, deque[float]] = {}
        self._left: dict[Key, _Shape] = {}

    def wrote(self, key: Key, addresses: tuple[Address, ...]) -> None:
        """The API shows, or showed, what we wrote."""
        self._ours[key] = addresses

    def seen(self, service: Service, shown: tuple[Address, ...], now: float) -> str:
        """Who has overwritten us once too often: the event's message. Empty for nobody, and after it was said."""
        key = service.key
        if key in self._left and self._left[key] != _shape(service):
            self.forget(key)
        ours = self._ours.get(key)
        if ours is None or key in self._left or shown == ours:
            return ""
        del self._ours[key]
        times = self._overwritten.setdefault(key, deque())
        times.append(now)
        while times[0] <= now - WITHIN:
            times.popleft()
        if len(times) <= MOST:
            return ""
        self._left[key] = _shape(service)
        rival = rival_of(service)
        return (
            f"{rival or 'another program'} has overwritten the address {listed(ours)} with {listed(shown)}, "
            f"{len(times)} times within a minute: "
            "this Service is left to it until its spec, labels or annotations change. Let one of the two serve it: "
            "set spec.loadBalancerClass, or start this one with `--load-balancer none`"
        )

    def is_left(self, key: Key) -> bool:
        """Whether the Service is not to be written."""
        return key in self._left

    def forget(self, key: Key) -> None:
        self._ours.pop(key, None)
        self._overwritten.pop(key, None)
        self._left.pop(key, None)


def rival_of(service: Service) -> str:
    """Who else owns `status.loadBalancer`, by `managedFields`; the one that wrote last. Empty for nobody."""
    found: list[tuple[str, str]] = []
    for entry in service.metadata.managed_fields or ():
        if entry.manager == OURS or not bytes(entry.fields_v1):
            continue
        try:
            fields = msgspec.json.decode(entry.fields_v1)
        except msgspec.DecodeError:
            continue
        status = fields.get("f:status") if isinstance(fields, dict) else None
        if isinstance(status, dict) and "f:loadBalancer" in status:
            found.append((entry.time or "", entry.manager))
    return max(found, default=("", ""))[1]


def _shape(service: Service) -> _Shape:
    written = (PROVIDER_ANNOTATION, FROM_POOL_ANNOTATION)
    annotations = {name: text for name, text in service.metadata.annotations.items() if name not in written}
    return _Shape(service.spec, service.metadata.labels, annotations)
