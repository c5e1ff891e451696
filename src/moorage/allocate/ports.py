"""NodePorts: a range and what is taken of it -> a port, or why not. Source: KEP-3668."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from moorage.allocate.bands import choose

if TYPE_CHECKING:
    from random import Random

FULL = "range is full"
ALREADY_ALLOCATED = "provided port is already allocated"


class PortRange(msgspec.Struct, frozen=True):
    """Ports from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return max(0, self.last - self.first + 1)

    @property
    def static_band(self) -> int:
        """How many of the lowest ports dynamic choices avoid: min(max(16, size/32), 128), 0 for ranges of up to 16."""
        return 0 if self.size <= 16 else min(max(16, self.size // 32), 128)

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def pick(self, taken: Callable[[int], bool], random: Random) -> int | None:
        """A free port, or None where the range is full."""
        offset = choose(self.size, self.static_band, lambda offset: not taken(self.first + offset), random)
        return None if offset is None else self.first + offset

    def refusal(self, port: int, taken: Callable[[int], bool]) -> str | None:
        """Why the asked-for port cannot be given, or None."""
        if port not in self:
            return f"provided port is not in the valid range. The range of valid ports is {self.first}-{self.last}"
        return ALREADY_ALLOCATED if taken(port) else None
