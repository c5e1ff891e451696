"""The `healthCheckNodePort` servers of a node, in step with its table; a port that is not to be had is told once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.snapshot import Snapshot
from moorage.observe.health import Health
from moorage.observe.service_health import NotServed
from moorage.observe.service_health_io import ServiceHealthServers
from moorage.run.tell_io import Teller
from moorage.table.types import LocalCheck


class LocalChecks:
    """Used inside a running event loop, and closed at the end. `clock` is monotonic, in seconds."""

    def __init__(self, health: Callable[[], Health], teller: Teller, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = ServiceHealthServers(health, clock)
        self._teller = teller
        self._clock = clock
        self._snapshot = Snapshot()
        self._wanted: Mapping[Key, LocalCheck] = {}
        self._told: frozenset[NotServed] = frozenset()

    @property
    def wake_in(self) -> float | None:
        """Seconds until `wake` should be called, or None when nothing is left to do."""
        at = self._servers.retry_at
        return None if at is None else max(0.0, at - self._clock())

    def follow(self, snapshot: Snapshot, wanted: Mapping[Key, LocalCheck]) -> None:
        self._snapshot, self._wanted = snapshot, wanted
        self.wake()

    def wake(self) -> None:
        """Tries again what the machine refused."""
        without = frozenset(self._servers.follow(self._wanted))
        for each in sorted(without - self._told, key=lambda each: each.service):
            self._teller.say(each.reason, each.message, self._snapshot.get(Service, each.service))
        self._told = without

    def close(self) -> None:
        self._servers.close()
