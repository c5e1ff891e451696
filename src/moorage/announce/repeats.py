"""When to tell the neighbours of an address: at once, thrice more soon after, since a frame can be lost, and now and
then.
"""

from __future__ import annotations

from collections.abc import Iterable

from moorage.model.net import Address

FIRST = (0.0, 0.05, 0.15, 0.4)
"""Seconds after an address was taken."""

EVERY = 30.0
"""Seconds; up to a quarter more, by the address, so that not all are told at once."""


class Repeats:
    """The addresses that are held, and when each is to be told next."""

    def __init__(self) -> None:
        self._next: dict[Address, tuple[float, int]] = {}
        self._since: dict[Address, float] = {}

    def hold(self, addresses: Iterable[Address], now: float) -> tuple[frozenset[Address], frozenset[Address]]:
        """These are held from now on; which of them are new, and which are no longer."""
        held = frozenset(addresses)
        new, old = held - self._next.keys(), self._next.keys() - held
        for each in old:
            del self._next[each], self._since[each]
        for each in new:
            self.again(each, now)
        return frozenset(new), frozenset(old)

    def again(self, address: Address, now: float) -> None:
        """Begins anew with an address, as if it were just taken."""
        self._since[address] = now
        self._next[address] = (now, 0)

    def due(self, now: float, most: int) -> list[Address]:
        """Up to `most` addresses to be told now; they count as told."""
        found = [each for each, (at, _) in self._next.items() if at <= now][:most]
        for each in found:
            number = self._next[each][1] + 1
            if number < len(FIRST):
                self._next[each] = (self._since[each] + FIRST[number], number)
            else:
                self._next[each] = (now + EVERY + (int(each) % 16) * EVERY / 64, number)
        return found
