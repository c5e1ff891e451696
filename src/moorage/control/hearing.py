"""Who has fallen silent, told apart from not being able to hear.

While the API server is away, every Lease stands still; to call all Nodes dead then would take every endpoint out of service.
So this controller renews a Lease of its own. Silence counts only between two renewals that it saw come back, and after a pause
in them every Node gets its full grace again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.model.clock import micro_timestamp
from moorage.model.cluster import NODE_LEASE_NAMESPACE, Lease, LeaseSpec
from moorage.model.meta import Key, ObjectMeta
from moorage.model.snapshot import Snapshot
from moorage.model.verbs import Create, MergePatch, Verb

OWN_LEASE = Key(NODE_LEASE_NAMESPACE, "moorage-node-controller")

RENEWALS_PER_GRACE = 4
"""How often the own Lease is renewed, and so how much later than `grace` a silence is noticed: a quarter of it at most."""

DEAF_AFTER = 2
"""Periods without seeing an own renewal after which this controller takes itself for deaf."""


class Heard(msgspec.Struct, frozen=True):
    """`silent` names the Nodes that said nothing for `grace` seconds while they could be heard."""

    silent: frozenset[str]
    verbs: tuple[Verb, ...]
    wake_at: float


class Hearing:
    """Remembers when each Node last gave a sign of life, in seconds of the caller's clock. `own` is the own Lease."""

    def __init__(self, grace: float, own: Key = OWN_LEASE) -> None:
        self._grace = grace
        self._own = own
        self._period = grace / RENEWALS_PER_GRACE
        self._signs: dict[str, tuple[Any, float]] = {}
        self._echo: str | None = None
        self._heard_at: float | None = None
        self._called_at: float | None = None

    def listen(self, signs: Mapping[str, Any], snapshot: Snapshot, now: float) -> Heard:
        """`signs` holds, by Node, a value that changes whenever the Node speaks."""
        for name, sign in signs.items():
            if name not in self._signs or self._signs[name][0] != sign:
                self._signs[name] = (sign, now)
        for name in self._signs.keys() - signs.keys():
            del self._signs[name]
        own = snapshot.get(Lease, self._own)
        self._hear_echo(own.spec.renew_time if own is not None else None, now)
        verbs: tuple[Verb, ...] = ()
        if self._called_at is None or now >= self._called_at + self._period:
            verbs, self._called_at = (self._call(own, now),), now
        return Heard(self._silent(), verbs, self._called_at + self._period)

    def _hear_echo(self, renewed: str | None, now: float) -> None:
        if renewed is None or renewed == self._echo:
            return
        was_deaf = self._heard_at is None or now - self._heard_at > DEAF_AFTER * self._period
        if was_deaf:
            self._signs = {name: (sign, now) for name, (sign, _) in self._signs.items()}
        self._echo, self._heard_at = renewed, now

    def _silent(self) -> frozenset[str]:
        """Measured up to the last proof that a Node could have been heard."""
        if self._heard_at is None:
            return frozenset()
        return frozenset(name for name, (_, since) in self._signs.items() if self._heard_at - since >= self._grace)

    def _call(self, own: Lease | None, now: float) -> Verb:
        """Renews the own Lease, or makes it."""
        renewed = micro_timestamp(now)
        if own is not None:
            return MergePatch(Lease, self._own, {"spec": {"renewTime": renewed}})
        meta = ObjectMeta(name=self._own.name, namespace=self._own.namespace)
        spec = LeaseSpec(holder_identity=self._own.name, lease_duration_seconds=max(1, round(self._grace)), renew_time=renewed)
        return Create(Lease(api_version="coordination.k8s.io/v1", kind="Lease", metadata=meta, spec=spec))
