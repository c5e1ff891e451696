"""The holder: what one speaker claims, and until when it may answer for it.

It may answer for an address while a majority of the view grants it: voters that have acknowledged a heartbeat sent less
than DOWN ago, as of a generation in which the address was claimed already, and that do not refuse it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.announce.timing import DOWN
from moorage.announce.wish import View

Address = bytes


class Vote(msgspec.Struct):
    """The newest acknowledgement of one voter: of what was sent at `stamp`, by the holder's clock."""

    stamp: float
    generation: int
    refused: frozenset[Address] = frozenset()


class Claim(msgspec.Struct):
    """Claimed without interruption from `generation` on, since `since`."""

    generation: int
    since: float


class Claims(msgspec.Struct):
    generation: int = 1
    claims: dict[Address, Claim] = msgspec.field(default_factory=dict)
    votes: dict[str, Vote] = msgspec.field(default_factory=dict)

    def change(self, add: Iterable[Address], drop: Iterable[Address], now: float) -> bool:
        """Claims more and less; whether that is a change."""
        dropped = [each for each in drop if self.claims.pop(each, None) is not None]
        added = [each for each in add if each not in self.claims]
        if not added and not dropped:
            return False
        self.generation += 1
        self.claims.update((each, Claim(self.generation, now)) for each in added)
        return True

    def acknowledged(self, voter: str, stamp: float, generation: int, refused: Iterable[Address]) -> None:
        """An older acknowledgement changes nothing; one of the same message may know more."""
        vote = self.votes.get(voter)
        if vote is None or stamp >= vote.stamp:
            self.votes[voter] = Vote(stamp, generation, frozenset(refused))

    def until(self, view: View, address: Address) -> float:
        """Until when, by this speaker's clock, it may answer; in the past where it may not."""
        claim = self.claims.get(address)
        if claim is None:
            return 0.0
        votes = [self.votes[each] for each in view.members if each in self.votes]
        return _until(
            view, [vote.stamp for vote in votes if vote.generation >= claim.generation and address not in vote.refused]
        )

    def authority_until(self, view: View) -> float:
        """Until when a majority hears this speaker, whatever it claims."""
        return _until(view, [self.votes[each].stamp for each in view.members if each in self.votes])


def _until(view: View, stamps: list[float]) -> float:
    if len(stamps) < view.majority:
        return 0.0
    stamps.sort(reverse=True)
    return stamps[view.majority - 1] + DOWN
