"""Two tables -> what a datapath has to change.

Tables of one `Compiler` share the frontends of Services that did not change, so most of the comparison is by identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from operator import is_not

from moorage.model.meta import Key
from moorage.table.types import ForwardingTable, Frontend, FrontendAddress, TableChange


def diff(old: ForwardingTable, new: ForwardingTable) -> TableChange:
    """An address that moves from one Service to another is changed, not removed. Empty where the tables say the same."""
    touched = _touched(old, new)
    before = _frontends(old, touched)
    after = _frontends(new, touched)
    removed = tuple(each for match, each in before.items() if match not in after)
    changed = tuple((before.get(match), each) for match, each in after.items() if before.get(match) != each)
    sources = new.cluster_sources if new.cluster_sources != old.cluster_sources else None
    return TableChange(removed, changed, sources)


def _touched(old: ForwardingTable, new: ForwardingTable) -> Iterable[Key]:
    """Services whose frontends are not the very same tuple in both tables.

    A table made from another one has its Services in the same order, new ones at the end: then passes in step, with no look-up
    by key, find the difference. After a deletion the order is another, and every key is looked up.
    """
    before, after = list(old.services), list(new.services)
    common = min(len(before), len(after))
    if before[:common] == after[:common]:
        changed = compress(after, map(is_not, old.services.values(), new.services.values()))
        return [*changed, *before[common:], *after[common:]]
    differing = [key for key, frontends in new.services.items() if old.services.get(key) is not frontends]
    return [*differing, *(old.services.keys() - new.services.keys())]


def _frontends(table: ForwardingTable, services: Iterable[Key]) -> dict[FrontendAddress, Frontend]:
    return {frontend.match: frontend for key in services for frontend in table.services.get(key, ())}
