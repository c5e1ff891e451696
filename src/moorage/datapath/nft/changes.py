"""What to do to the elements of one table, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import filterfalse

import msgspec

from moorage.datapath.nft.elements import Element, Place, address_of, read_admitted
from moorage.datapath.nft.entry import Entry, elements
from moorage.datapath.nft.spaces import ADMITTED, MAPS, OF_ADDRESSES, Shape, Space


class ElementChanges(msgspec.Struct, frozen=True):
    """A changed element is removed and added; removals come first. `fresh` are frontends of which nothing is there yet: they
    are written whole, and no object is made for each of their backends. `anew`: whatever else the maps hold goes.
    """

    removed: tuple[Element, ...] = ()
    added: tuple[Element, ...] = ()
    fresh: tuple[tuple[Place, Entry], ...] = ()
    anew: bool = False

    def stages(self) -> tuple[ElementChanges, ...]:
        """The same in transactions, in order; mostly one.

        The kernel switches interval sets over a moment after the others of a transaction. So it is known who is inside, and who
        is admitted, before rules ask. Where fewer are admitted or all, nothing has to come first. `fresh` frontends admit all.
        """
        if self.anew:
            return (self,)
        opened = {_frontend(each) for each in self.added if each.map in _ADMITTED}

        def comes_first(each: Element) -> bool:
            return _frontend(each) in opened if each.map in _ADMITTED else MAPS[each.map].shape is Shape.INTERVAL

        early = ElementChanges(tuple(filter(comes_first, self.removed)), tuple(filter(comes_first, self.added)))
        if not early:
            return tuple(self._parts())
        late = ElementChanges(
            tuple(filterfalse(comes_first, self.removed)), tuple(filterfalse(comes_first, self.added)), self.fresh
        )
        return (early, *late._parts())

    def _parts(self) -> Iterator[ElementChanges]:
        """`fresh` frontends in transactions of bounded size, so that one is written while the kernel takes in another. What the
        maps say of an address goes with the first of its frontends, and all of these go together.
        """
        if len(self) <= PART:
            if self:
                yield self
            return
        of_addresses: dict[bytes, list[Element]] = {}
        for each in self.added:
            if each.map in OF_ADDRESSES:
                of_addresses.setdefault(each.key, []).append(each)
        together: dict[bytes, list[tuple[Place, Entry]]] = {}
        for frontend in self.fresh:
            together.setdefault(address_of(frontend[0]), []).append(frontend)
        removed = self.removed
        added = [each for each in self.added if each.map not in OF_ADDRESSES or each.key not in together]
        fresh: list[tuple[Place, Entry]] = []
        size = len(removed) + len(added)
        for address, frontends in together.items():
            added += of_addresses.get(address, ())
            fresh += frontends
            size += sum(entry.size for _, entry in frontends)
            if size >= PART:
                yield ElementChanges(removed, tuple(added), tuple(fresh))
                removed, added, fresh, size = (), [], [], 0
        if removed or added or fresh:
            yield ElementChanges(removed, tuple(added), tuple(fresh))

    def additions(self) -> Iterator[Element]:
        """Every element that is added."""
        yield from self.added
        for place, entry in self.fresh:
            yield from elements(place, entry)

    def __len__(self) -> int:
        return len(self.removed) + len(self.added) + sum(entry.size for _, entry in self.fresh)

    def __str__(self) -> str:
        removed = ["delete everything"] if self.anew else [f"delete {each}" for each in self.removed]
        return "\n".join([*removed, *(f"add {each}" for each in self.additions())])


PART = 25_000
"""Elements. Fewer are one transaction."""

_ADMITTED = frozenset(space.map(ADMITTED) for space in Space)


def _frontend(element: Element) -> tuple[str, bytes]:
    """Whose clients an element of `admitted` names."""
    return element.map, read_admitted(element)[0]
