"""Leases of node agents and edges, Nodes -> up to which resourceVersion everybody who forwards has taken EndpointSlices.

A node counts as long as it has a Node whose Ready condition is not Unknown, an edge as long as its Lease is renewed. Who falls
silent holds nobody up for ever. Two clocks are never compared: a Lease is silent when its text stood still on this one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from moorage.model.cluster import Lease, Node
from moorage.model.meta import Key, condition
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.withdrawal import EDGE, EDGE_LEASE_SECONDS, NODE, applied_version, whose

DEAF_AFTER = 15.0
"""Seconds without a change of any Lease after which it is this controller that does not hear: kubelets renew theirs."""


class Applied(msgspec.Struct, frozen=True):
    """`versions` are, by name, those of all that count; an edge is called "edge NAME". `silent` are left out of it."""

    versions: Mapping[str, int] = {}
    silent: tuple[str, ...] = ()

    def missing(self, version: int) -> tuple[str, ...]:
        """Who has not come so far, in order."""
        return tuple(sorted(name for name, applied in self.versions.items() if applied < version))


class AppliedVersions:
    """Follows the Leases: `see` costs what has changed, `count` a step for each of them."""

    def __init__(self) -> None:
        self._said: dict[Key, tuple[str, str, int]] = {}
        self._signs: dict[Key, tuple[str | None, float]] = {}
        self._heard_at: float | None = None

    def see(self, snapshot: Snapshot, changes: Changes, now: float) -> None:
        """`now` is in seconds of one clock."""
        leases = changes.of(Lease)
        if leases or changes.everything:
            self._hear(now)
        for key in snapshot.all(Lease) if changes.everything else leases:
            self._read(key, snapshot.get(Lease, key), now)
        if changes.everything:
            self._forget(self._said.keys() - snapshot.all(Lease).keys())

    def count(self, snapshot: Snapshot, now: float) -> Applied:
        """What everybody has applied who counts now."""
        versions, silent = {}, []
        for key, (role, name, version) in self._said.items():
            if role == NODE:
                node = snapshot.get(Node, Key("", name))
                if node is None:
                    continue
                ready = condition(node.status.conditions, "Ready")
                if ready is not None and ready.status == "Unknown":
                    silent.append(name)
                    continue
                versions[name] = version
            elif role == EDGE and self._is_alive(key, now):
                versions[f"edge {name}"] = version
        return Applied(versions, tuple(sorted(silent)))

    def _hear(self, now: float) -> None:
        """After a pause every edge gets its full time again."""
        if self._heard_at is not None and now - self._heard_at > DEAF_AFTER:
            self._signs = {key: (sign, now) for key, (sign, _) in self._signs.items()}
        self._heard_at = now

    def _read(self, key: Key, lease: Lease | None, now: float) -> None:
        said = whose(lease) if lease is not None else None
        if lease is None or said is None:
            self._forget((key,))
            return
        self._said[key] = (*said, applied_version(lease))
        if key not in self._signs or self._signs[key][0] != lease.spec.renew_time:
            self._signs[key] = lease.spec.renew_time, now

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in tuple(keys):
            self._said.pop(key, None)
            self._signs.pop(key, None)

    def _is_alive(self, key: Key, now: float) -> bool:
        """Judged up to the last moment at which it could have been heard."""
        heard = now if self._heard_at is None else min(now, self._heard_at + DEAF_AFTER)
        return heard - self._signs[key][1] < EDGE_LEASE_SECONDS
