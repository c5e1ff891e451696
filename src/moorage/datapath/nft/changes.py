"""What to do to the elements of one table, as a value."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.datapath.nft.elements import Element, Place
from moorage.datapath.nft.entry import Entry, elements
from moorage.datapath.nft.spaces import ADMITTED, MAPS, RESTRICTED, Shape


class ElementChanges(msgspec.Struct, frozen=True):
    """A changed element is removed and added; removals come first. `fresh` are frontends of which nothing is there yet: they
    are written whole, and no object is made for each of their backends.
    """

    removed: tuple[Element, ...] = ()
    added: tuple[Element, ...] = ()
    fresh: tuple[tuple[Place, Entry], ...] = ()

    def stages(self) -> tuple[ElementChanges, ...]:
        """The same in transactions, in order; mostly one.

        The kernel switches interval sets over a moment after the others of a transaction. So nobody is kept out any more before
        it is forgotten who may come in, and who may come in is known before others are kept out, and both before there is
        something to come in to. `fresh` frontends keep nobody out.
        """
        last = _STAGES - 1
        parts = (
            ElementChanges(
                tuple(each for each in self.removed if _removal(each) == stage),
                tuple(each for each in self.added if _addition(each) == stage),
                self.fresh if stage == last else (),
            )
            for stage in range(_STAGES)
        )
        return tuple(each for each in parts if each)

    def additions(self) -> Iterator[Element]:
        """Every element that is added."""
        yield from self.added
        for place, entry in self.fresh:
            yield from elements(place, entry)

    def __len__(self) -> int:
        return len(self.removed) + len(self.added) + sum(entry.size for _, entry in self.fresh)

    def __str__(self) -> str:
        return "\n".join([*(f"delete {each}" for each in self.removed), *(f"add {each}" for each in self.additions())])


_STAGES = 4


def _removal(element: Element) -> int:
    return 0 if element.map == RESTRICTED else _addition(element)


def _addition(element: Element) -> int:
    if element.map == ADMITTED or MAPS[element.map].shape is Shape.INTERVAL:
        return 1
    return 2 if element.map == RESTRICTED else 3
