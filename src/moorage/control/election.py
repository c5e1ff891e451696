"""Who of several equal processes works: one candidate's view of the Lease that they share.

    Look -> (somebody else's, alive) -> Wait -> Look ...
         -> (nobody's, or silent for its duration) -> Put -> leads -> Wait -> Put ... -> (cannot renew in time) -> Look ...

Source: client-go `tools/leaderelection/leaderelection.go`, whose Lease this is: candidates of both may share one. No two clocks
are compared. A candidate takes over once it has seen the Lease stand still for its duration on its own clock; a leader stops
`renew_deadline` after it *sent* its last good renewal on its own. As long as clocks run alike to a ratio of
`lease_duration / renew_deadline` (15 to 10), no two lead at a time, however wrong they are.

No I/O, no clock, no chance: `now` is in seconds of a monotonic clock, `wall` in seconds since the epoch (for people only).
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from moorage.model.clock import micro_timestamp
from moorage.model.cluster import Lease, LeaseSpec
from moorage.model.meta import Key, ObjectMeta

JITTER = 1.2
"""A candidate waits up to so many times `retry_period` longer: candidates spread (client-go JitterFactor)."""


class Terms(msgspec.Struct, frozen=True):
    """Seconds. `lease_duration` > `renew_deadline` > 1.2 `retry_period`; defaults are client-go's."""

    lease_duration: int = 15
    renew_deadline: float = 10.0
    retry_period: float = 2.0


class Look(msgspec.Struct, frozen=True):
    """Read the Lease."""


class Put(msgspec.Struct, frozen=True):
    """Write the Lease: create it, or replace the version that it carries."""

    lease: Lease
    create: bool


class Wait(msgspec.Struct, frozen=True):
    """Do nothing for some seconds, then go on."""

    seconds: float


Step = Look | Put | Wait


class Candidate:
    """`identity` is unique for every start of a process: a Lease with it was written by this very one."""

    def __init__(self, identity: str, key: Key, terms: Terms) -> None:
        self.identity = identity
        self.key = key
        self.terms = terms
        self._seen: Lease | None = None
        self._seen_at = 0.0
        self._until: float | None = None
        self._in_doubt = False

    @property
    def holder(self) -> str:
        """Who holds the Lease as it was last seen; empty for nobody."""
        return (self._seen.spec.holder_identity or "") if self._seen is not None else ""

    @property
    def transitions(self) -> int:
        """How often the Lease has changed hands."""
        return (self._seen.spec.lease_transitions or 0) if self._seen is not None else 0

    def remaining(self, now: float) -> float:
        """Seconds for which it leads without a further renewal; 0 or less: it does not lead."""
        return self._until - now if self._until is not None else 0.0

    def next(self, now: float, wall: float) -> Look | Put:
        """After a wait: a leader renews what it wrote last, whoever else looks first."""
        if self._seen is None or self._in_doubt or self.holder != self.identity or self.remaining(now) <= 0:
            return Look()
        return self._put(self._seen, wall)

    def on_lease(self, lease: Lease | None, now: float, wall: float, chance: float) -> Step:
        """What a look found, None for no Lease; `chance` is in [0, 1)."""
        self._in_doubt = False
        if lease is None:
            if self._is_taken(now):
                return self._pause(chance)  # somebody deleted it: who held it may not know
            meta = ObjectMeta(name=self.key.name, namespace=self.key.namespace)
            return Put(Lease(metadata=meta, spec=self._claim(LeaseSpec(), wall)), create=True)
        self._see(lease, now)
        if self._is_taken(now):
            self._until = None
            return self._pause(chance)
        return self._put(lease, wall)

    def on_written(self, lease: Lease, sent: float, now: float) -> Wait:
        """The server took what was put; the request went out at `sent`."""
        self._see(lease, now)
        self._until = sent + self.terms.renew_deadline
        return Wait(self.terms.retry_period)

    def on_failure(self, now: float, chance: float) -> Step:
        """A look or a put failed, or somebody else was faster. A leader looks again soon: it may still lead."""
        self._in_doubt = True  # a write without an answer may have been done
        if self.remaining(now) > 0:
            return Wait(min(self.terms.retry_period, self.remaining(now)))
        return self._pause(chance)

    def released(self, wall: float) -> Put | None:
        """The Lease given up, for whoever comes next need not wait; None where it is not held. It leads no longer."""
        seen, self._until = self._seen, None
        if seen is None or self.holder != self.identity:
            return None
        spec = replace(
            seen.spec,
            holder_identity="",
            lease_duration_seconds=1,
            renew_time=micro_timestamp(wall),
            acquire_time=micro_timestamp(wall),
        )
        self._seen = None
        return Put(replace(seen, spec=spec), create=False)

    def _is_taken(self, now: float) -> bool:
        """Whether somebody else holds the Lease and is not known to be silent."""
        if self._seen is None or self.holder in ("", self.identity):
            return False
        return now < self._seen_at + (self._seen.spec.lease_duration_seconds or 0)

    def _see(self, lease: Lease, now: float) -> None:
        """A Lease counts as alive from when it was first seen as it is."""
        if self._seen is None or self._seen.metadata.resource_version != lease.metadata.resource_version:
            self._seen, self._seen_at = lease, now

    def _put(self, lease: Lease, wall: float) -> Put:
        return Put(replace(lease, spec=self._claim(lease.spec, wall)), create=False)

    def _claim(self, before: LeaseSpec, wall: float) -> LeaseSpec:
        own = before.holder_identity == self.identity
        now = micro_timestamp(wall)
        first = before == LeaseSpec()
        return replace(
            before,
            holder_identity=self.identity,
            lease_duration_seconds=self.terms.lease_duration,
            acquire_time=before.acquire_time if own else now,
            renew_time=now,
            lease_transitions=(before.lease_transitions or 0) + (0 if own or first else 1),
        )

    def _pause(self, chance: float) -> Wait:
        return Wait(self.terms.retry_period * (1.0 + JITTER * chance))
