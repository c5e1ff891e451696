"""`moorage.dev/weight` on an EndpointSlice or a Node -> how many shares of the connections an endpoint gets.

An endpoint's weight is its slice's times its node's; each is 1 where nothing is said. Weight 0 gets no new connections as long
as another endpoint may have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from math import gcd

from moorage.model.meta import Object
from moorage.table.types import Backend

ANNOTATION = "moorage.dev/weight"
MOST = 1000
"""The largest weight of a slice or a node."""

_DIGITS = 9
"""No longer text is read: Python refuses numbers of more than 4,300 digits."""

MOST_SHARES = 4096
"""Shares that one choice is cut into; beyond, weights are rounded, and everybody keeps at least one share."""


def weight_of(obj: Object) -> int | None:
    """The weight that an object's annotation asks for, 1 without one, None where it says no whole number from 0 to 1000."""
    text = obj.metadata.annotations.get(ANNOTATION)
    if text is None:
        return 1
    return int(text) if len(text) <= _DIGITS and text.isascii() and text.isdecimal() and int(text) <= MOST else None


def weighed(backends: tuple[Backend, ...]) -> tuple[Backend, ...]:
    """Without those of weight 0, unless all are."""
    if 0 not in {each.weight for each in backends}:
        return backends
    return tuple(each for each in backends if each.weight) or backends


def shares(backends: tuple[Backend, ...]) -> Mapping[Backend, int]:
    """How many shares each gets: the smallest whole numbers in proportion to the weights. Equal where all weights are 0."""
    weights = [each.weight for each in backends]
    if not any(weights) or len(set(weights)) == 1:
        return dict.fromkeys(backends, 1)
    divisor = reduce(gcd, weights)
    total = sum(weights) // divisor
    if total <= max(MOST_SHARES, len(backends)):
        return {each: each.weight // divisor for each in backends}
    return {each: max(1, each.weight * MOST_SHARES // (total * divisor)) for each in backends}
