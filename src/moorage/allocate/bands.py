"""Numbers with a reserved lower band: the choice of a free one. Source: KEP-3070 (ClusterIP) and KEP-3668 (NodePort).

A range of `size` numbers counts from 0. The lowest `band` of them are for people who ask for a number by name, so dynamic
choices take from the upper part first and reach into the band only when the upper part is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

TRIES = 16
"""Random probes before the whole part is looked through: at half use, 16 probes fail once in 65,536 times."""


def choose(size: int, band: int, free: Callable[[int], bool], random: Random) -> int | None:
    """A free number below `size`, drawn at random from its part of the range; None where nothing is free."""
    for low, high in ((band, size), (0, min(band, size))):
        if low >= high:
            continue
        for _ in range(TRIES):
            number = random.randrange(low, high)
            if free(number):
                return number
        start = random.randrange(low, high)
        for number in chain(range(start, high), range(low, start)):
            if free(number):
                return number
    return None
