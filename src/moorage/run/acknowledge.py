"""When an agent says how far its kernel is: soon where somebody may wait for it, else seldom, and never in an idle cluster."""

from __future__ import annotations

import msgspec

SOON = 0.2
"""Seconds between two writes while endpoints are leaving."""
SELDOM = 10.0
"""Seconds between two writes otherwise, and after a refusal: as often as a kubelet renews its Lease."""


class Pace(msgspec.Struct, frozen=True):
    """`held` is the version in the kernel, `awaited` the last one with a departure, `written` what has been said, `last` when
    (None: never). An agent that `renews` also speaks where it has nothing to say.
    """

    renews: bool = False
    held: int = 0
    awaited: int = 0
    written: int = 0
    last: float | None = None
    refused: bool = False

    def due(self, now: float) -> float | None:
        """When to write next; None where there is nothing to say."""
        if self.last is None:
            return now
        if self.refused:
            return self.last + SELDOM
        if self.held >= self.awaited > self.written:
            return self.last + SOON
        return self.last + SELDOM if self.held > self.written or self.renews else None

    def wrote(self, version: int, now: float) -> Pace:
        return msgspec.structs.replace(self, written=version, last=now, refused=False)

    def failed(self, now: float) -> Pace:
        return msgspec.structs.replace(self, last=now, refused=True)
