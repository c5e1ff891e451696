"""What to do to the elements of one table, as a value."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.datapath.nft.elements import Element, Place
from moorage.datapath.nft.entry import Entry, elements


class ElementChanges(msgspec.Struct, frozen=True):
    """A changed element is removed and added; removals come first. `fresh` are frontends of which nothing is there yet: they
    are written whole, and no object is made for each of their backends.
    """

    removed: tuple[Element, ...] = ()
    added: tuple[Element, ...] = ()
    fresh: tuple[tuple[Place, Entry], ...] = ()

    def additions(self) -> Iterator[Element]:
        """Every element that is added."""
        yield from self.added
        for place, entry in self.fresh:
            yield from elements(place, entry)

    def __len__(self) -> int:
        return len(self.removed) + len(self.added) + sum(entry.size for _, entry in self.fresh)

    def __str__(self) -> str:
        return "\n".join([*(f"delete {each}" for each in self.removed), *(f"add {each}" for each in self.additions())])
