"""What to do to the elements of one table, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import filterfalse

import msgspec

from moorage.datapath.nft.elements import Element, Place, read_admitted
from moorage.datapath.nft.entry import Entry, elements
from moorage.datapath.nft.spaces import ADMITTED, MAPS, Shape, Space


class ElementChanges(msgspec.Struct, frozen=True):
    """A changed element is removed and added; removals come first. `fresh` are frontends of which nothing is there yet: they
    are written whole, and no object is made for each of their backends.
    """

    removed: tuple[Element, ...] = ()
    added: tuple[Element, ...] = ()
    fresh: tuple[tuple[Place, Entry], ...] = ()

    def stages(self) -> tuple[ElementChanges, ...]:
        """The same in transactions, in order; mostly one.

        The kernel switches interval sets over a moment after the others of a transaction. So it is known who is inside, and who
        is admitted, before rules ask. Where fewer are admitted or all, nothing has to come first. `fresh` frontends admit all.
        """
        opened = {_frontend(each) for each in self.added if each.map in _ADMITTED}

        def comes_first(each: Element) -> bool:
            return _frontend(each) in opened if each.map in _ADMITTED else MAPS[each.map].shape is Shape.INTERVAL

        early = ElementChanges(tuple(filter(comes_first, self.removed)), tuple(filter(comes_first, self.added)))
        if not early:
            return (self,) if self else ()
        late = ElementChanges(
            tuple(filterfalse(comes_first, self.removed)), tuple(filterfalse(comes_first, self.added)), self.fresh
        )
        return (early, late) if late else (early,)

    def additions(self) -> Iterator[Element]:
        """Every element that is added."""
        yield from self.added
        for place, entry in self.fresh:
            yield from elements(place, entry)

    def __len__(self) -> int:
        return len(self.removed) + len(self.added) + sum(entry.size for _, entry in self.fresh)

    def __str__(self) -> str:
        return "\n".join([*(f"delete {each}" for each in self.removed), *(f"add {each}" for each in self.additions())])


_ADMITTED = frozenset(space.map(ADMITTED) for space in Space)


def _frontend(element: Element) -> tuple[str, bytes]:
    """Whose clients an element of `admitted` names."""
    return element.map, read_admitted(element)[0]
