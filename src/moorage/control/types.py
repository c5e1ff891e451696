"""What a controller is: Snapshot + Changes + the time -> a Plan of verbs. It reads no clock and talks to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from moorage.model.meta import Object
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Verb


class Plan(msgspec.Struct, frozen=True):
    """What is to be written, in this order, and when to look again though nothing changed (seconds since the epoch)."""

    verbs: tuple[Verb, ...] = ()
    wake_at: float | None = None


class Controller(Protocol):
    """One idea of how the cluster should be. Knows what it looked at before, so that a change costs what it touches.

    Calls never overlap. After `changes.everything` nothing from before counts but what this run has handed out. Called again
    without changes and after its verbs became visible, a controller plans nothing.
    """

    @property
    def name(self) -> str:
        """The component that its events and logs name."""
        ...

    @property
    def wants(self) -> tuple[type[Object], ...]:
        """The kinds it reads."""
        ...

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """`now` is seconds since the epoch of a clock that never jumps back."""
        ...

    def failed(self, verbs: Sequence[Verb]) -> None:
        """These verbs of earlier plans were refused. What they were about is looked at again in the next `reconcile`."""
        ...
