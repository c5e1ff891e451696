"""Backends -> a lookup table by which the same number leads to the same backend on every machine, and mostly still after one of
the others has gone.

Each backend has an order of its own over all places of the table, and the backends take turns: each takes the first place of
its order that is still free. Places are shared out evenly, up to one, and a change moves few but those of who comes or goes.
Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

SIZES = (251, 1021, 4093, 16381)
"""Primes. The table of a choice is the smallest that has so many places for each backend, or else the largest."""
PLACES = 25
"""So the shares of two backends of one weight differ by no more than 4 %. When one goes, about 5 % of the places of the others
move too; with 100 it would be 2 %, for four times the elements.
"""

_HALF = 8


def size(backends: int) -> int:
    """How many places the table of so many backends has. One that crosses a bound is drawn anew."""
    if backends <= 1:
        return backends
    return next((each for each in SIZES if each >= PLACES * backends), SIZES[-1])


@lru_cache(maxsize=64)
def lookup(names: tuple[bytes, ...], weights: tuple[int, ...]) -> tuple[int, ...]:
    """For each place the index of a backend. `names` tell backends apart, on every machine alike, and come sorted; there are
    16,381 at most. Weights are at least 1. The last tables are kept: frontends with the same backends share one.
    """
    places = size(len(names))
    table = [-1] * places
    orders = [_order(each, places) for each in names]
    heaviest = max(weights, default=0)
    credit = [0] * len(names)
    left = places
    while left:
        for index, weight in enumerate(weights):
            credit[index] += weight
            if credit[index] < heaviest or not left:
                continue
            credit[index] -= heaviest
            table[_first_free(table, orders[index])] = index
            left -= 1
    return tuple(table)


def _first_free(table: Sequence[int], order: Iterator[int]) -> int:
    return next(place for place in order if table[place] < 0)


def _order(name: bytes, places: int) -> Iterator[int]:
    """Every place once: a start and a step of its own. The number of places is prime, so that any step comes by all of them."""
    digest = blake2b(name, digest_size=2 * _HALF).digest()
    place = int.from_bytes(digest[:_HALF], "big") % places
    step = int.from_bytes(digest[_HALF:], "big") % max(1, places - 1) + 1
    for _ in range(places):
        yield place
        place = (place + step) % places
