"""One frontend as the kernel holds it: its backends in slots, and the elements that this makes in the maps.

A connection draws a slot among those of its side: everybody else's begin at 0, those of the node's own Pods and processes at
32768. Where the choice is consistent, the slots are a Maglev table. Without affinity the slot's number is the backend's key.
With it, a slot leads to a seat: a number that a backend has whoever else is there, so that the kernel can remember a client's
seat while others come and go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from zlib import crc32

import msgspec

from moorage.datapath.nft.chains import INSIDE, MOST_SLOTS, Pick
from moorage.datapath.nft.elements import Element, Place, admitted, box, endpoint_value, lower_and_upper, number, numbered
from moorage.datapath.nft.spaces import BACKENDS, DROPPED, FRONTENDS, REJECTED, SEATS, Space
from moorage.model.net import Prefix
from moorage.table.maglev import SIZES, lookup
from moorage.table.types import Backend, Choice, Frontend, NoBackend
from moorage.table.weights import shares


class Side(msgspec.Struct, frozen=True, gc=False):
    """The endpoints of one side in slot order (`Backend.endpoint`; a weight is repetition), and with affinity their seats."""

    slots: tuple[bytes, ...] = ()
    seats: tuple[int, ...] = ()


NOBODY = Side()


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the kernel holds for one frontend. `inside` is empty where the node's own traffic is treated as everybody's.

    `ports` are those of a range. `without_backend` matters while `outside` is empty.
    """

    outside: Side = NOBODY
    inside: Side = NOBODY
    masquerade: bool = False
    affinity: int = 0
    without_backend: NoBackend = NoBackend.REJECT
    ports: tuple[int, int] = (0, 0)
    sources: tuple[Prefix, ...] = ()
    consistent: bool = False

    def pick(self, space: Space) -> Pick | None:
        """The chain that decides about these backends; None where there is nothing to decide."""
        outside, inside, guarded = len(self.outside.slots), len(self.inside.slots), bool(self.sources)
        if outside or inside:
            return Pick(space, outside, inside, self.masquerade, self.affinity, guarded, self.consistent)
        return Pick(space, 0, guarded=True) if guarded else None

    @property
    def size(self) -> int:
        """How many elements it makes."""
        sides = sum(len(side.slots) + len(set(side.seats)) for side in (self.outside, self.inside))
        found = bool(self.outside.slots or self.inside.slots or self.sources) + self.answered
        return sides + found + len(self.sources)

    @property
    def answered(self) -> bool:
        """Whether packets that find no backend are refused or swallowed."""
        return not self.outside.slots and self.without_backend is not NoBackend.LEAVE

    @property
    def endpoints(self) -> frozenset[bytes]:
        """Where connections may go."""
        return frozenset(self.outside.slots).union(self.inside.slots)


def entry(frontend: Frontend, installed: Entry | None) -> Entry:
    """What the kernel should hold for a frontend. As many backends as possible keep the slots that they have."""
    old = installed or Entry()
    match = frontend.match
    return Entry(
        _side(frontend, frontend.choice, old.outside),
        _side(frontend, frontend.inside, old.inside) if frontend.inside else NOBODY,
        frontend.masquerade,
        frontend.affinity,
        frontend.choice.without_backend,
        (match.port, match.last) if match.last else (0, 0),
        frontend.sources,
        frontend.consistent,
    )


def _side(frontend: Frontend, choice: Choice, old: Side) -> Side:
    slots = _maglev(choice.backends) if frontend.consistent else assign(old.slots, _spread(choice.backends))
    return Side(slots, _seats(slots) if frontend.affinity else ())


def _maglev(backends: tuple[Backend, ...]) -> tuple[bytes, ...]:
    """Backends are told apart by their addresses, if these differ: frontends that lead to the same machines share a table."""
    backends = backends[: SIZES[-1]]
    names = tuple([each.endpoint[:-2] for each in backends])
    if len(set(names)) < len(names):
        names = tuple([each.endpoint for each in backends])
    counts = shares(backends)
    return tuple([backends[index].endpoint for index in lookup(names, tuple([counts[each] for each in backends]))])


def _spread(backends: tuple[Backend, ...]) -> tuple[bytes, ...]:
    """One item for each share. Weights that are rounded up may make more shares than there are slots."""
    if {each.weight for each in backends} <= {1}:
        return tuple([each.endpoint for each in backends[:MOST_SLOTS]])
    spread = (each.endpoint for each, count in shares(backends).items() for _ in range(count))
    return tuple(spread)[:MOST_SLOTS]


def _seats(slots: Sequence[bytes]) -> tuple[int, ...]:
    """By a hash of the endpoint, the next free seat where two have the same: also another run of the agent finds the seats that
    the kernel remembers clients by, without having been told.
    """
    seats: dict[bytes, int] = {}
    taken: set[int] = set()
    for each in sorted(set(slots)):
        seat = crc32(each) % MOST_SLOTS
        while seat in taken:
            seat = (seat + 1) % MOST_SLOTS
        taken.add(seat)
        seats[each] = seat
    return tuple(seats[each] for each in slots)


def assign(installed: Sequence[bytes], wanted: Sequence[bytes]) -> tuple[bytes, ...]:
    """The wanted backends in slot order: who stays keeps the slot, holes are filled by the new, then by the last ones."""
    if not installed or installed == wanted:
        return tuple(wanted)
    left = Counter(wanted)
    slots: list[bytes | None] = []
    for each in installed:
        stays = left[each] > 0
        left[each] -= stays
        slots.append(each if stays else None)
    fresh = iter(sorted((+left).elements()))
    slots += [None] * (len(wanted) - len(slots))
    filled = [each if each is not None else next(fresh, None) for each in slots]
    tail = [each for each in filled[len(wanted) :] if each is not None]
    return tuple(each if each is not None else tail.pop() for each in filled[: len(wanted)])


def elements(place: Place, entry: Entry | None) -> Iterator[Element]:
    """All elements of one frontend; none for an absent one."""
    if entry is None:
        return
    yield from frame(place, entry)
    for offset, side in ((0, entry.outside), (INSIDE, entry.inside)):
        yield from side_elements(place, offset, side)


def frame(place: Place, entry: Entry) -> Iterator[Element]:
    """All but the backends: how the frontend is found, what happens without backends, and whom it lets in."""
    space, found = place.space, box(place, entry.ports) if place.space is Space.RANGE else place.key
    pick = entry.pick(space)
    if pick is not None:
        yield Element(space.map(FRONTENDS), found, pick.name.encode())
    if entry.answered:
        yield Element(space.map(REJECTED if entry.without_backend is NoBackend.REJECT else DROPPED), found)
    for first, last in map(lower_and_upper, entry.sources):
        yield admitted(place, first, last)


def side_elements(place: Place, offset: int, side: Side) -> Iterator[Element]:
    space, key = place
    backends, seats = space.map(BACKENDS), space.map(SEATS)
    if not side.seats:
        for slot, endpoint in enumerate(side.slots):
            yield Element(backends, numbered(key, offset + slot), endpoint_value(space, endpoint))
        return
    for slot, seat in enumerate(side.seats):
        yield Element(seats, numbered(key, offset + slot), number(offset + seat))
    for endpoint, seat in dict(zip(side.slots, side.seats, strict=True)).items():
        yield Element(backends, numbered(key, offset + seat), endpoint_value(space, endpoint))


def difference(place: Place, old: Entry | None, new: Entry | None) -> tuple[list[Element], list[Element]]:
    """(removed, added) elements that lead from one state of a frontend to another; only those that differ."""
    if old is None or new is None:
        return list(elements(place, old)), list(elements(place, new))
    before, after = list(frame(place, old)), list(frame(place, new))
    for offset, was, now in ((0, old.outside, new.outside), (INSIDE, old.inside, new.inside)):
        if was.seats or now.seats:
            before += side_elements(place, offset, was)
            after += side_elements(place, offset, now)
            continue
        for slot, (one, other) in enumerate(zip_longest(was.slots, now.slots), offset):
            if one != other:
                before += _slot(place, slot, one)
                after += _slot(place, slot, other)
    keep = set(before) & set(after)
    return [each for each in before if each not in keep], [each for each in after if each not in keep]


def _slot(place: Place, slot: int, endpoint: bytes | None) -> tuple[Element, ...]:
    space, key = place
    return (Element(space.map(BACKENDS), numbered(key, slot), endpoint_value(space, endpoint)),) if endpoint else ()
