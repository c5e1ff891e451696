"""How an agent does, in numbers most of which only grow. Written where things happen, read when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import msgspec

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds: the upper bounds of the buckets of a Durations, but for the last."""


class Durations(msgspec.Struct):
    """A histogram: `counts` has one number more than BOUNDS, `total` is in seconds."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class BGPPeerFigures(msgspec.Struct, frozen=True):
    """`prefixes` have been sent to the peer; `established` counts how often the session came up."""

    up: bool
    prefixes: int
    established: int


class Figures(msgspec.Struct):
    """`syncs`: from a change that the agent has seen to the kernel. `last_sync` is in seconds since the epoch, or 0.

    `operations` were written to the kernel, `refusals` are changes that it refused, `repairs` what others had altered, `flows`
    tracked ones that were forgotten. `checks_failed` are connections through the node's own rules without an answer; `answers`
    says whether the last ones had one. `bgp_peers` is by the key of a BGPPeer, and replaced as a whole.
    """

    syncs: Durations = msgspec.field(default_factory=Durations)
    last_sync: float = 0.0
    operations: int = 0
    refusals: int = 0
    repairs: int = 0
    flows: int = 0
    checks_failed: int = 0
    answers: bool = False
    bgp_peers: Mapping[str, BGPPeerFigures] = {}
