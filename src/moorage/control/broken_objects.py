"""Services and their slices -> an event for each thing in them that no node can do as asked.

What is broken affects nobody else, and every node agent finds it alike; so it is said here, once, not by each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from moorage.control.types import Plan
from moorage.model.meta import Key, Object
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Note, Verb
from moorage.table.compile import Compiler
from moorage.table.types import NodeFacts, TableNote

BROKEN = frozenset({Reason.INVALID_OBJECT, Reason.DUPLICATE_FRONTEND, Reason.UNSUPPORTED})
MOST_SAID = 5
"""Events about one Service at a time; the last one tells how many more there are."""

NOWHERE = NodeFacts("")
"""A node that no endpoint lives on: what is broken is broken everywhere."""


class BrokenObjectsController:
    """Says each thing once, again only after it was gone in between. Another run says what is still so once more, which adds
    to the count of the event that is there.
    """

    name = "service-controller"
    wants: tuple[type[Object], ...] = (Service, EndpointSlice)

    def __init__(self) -> None:
        self._compiler = Compiler()
        self._said: dict[Key, tuple[TableNote, ...]] = {}

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        before = {} if changes.everything else self._said
        table = self._compiler.update(snapshot, changes, NOWHERE)
        self._said = {key: broken for key, notes in table.notes.items() if (broken := _broken(notes))}
        verbs: list[Verb] = []
        for key in sorted(self._said):
            service, said = snapshot.get(Service, key), before.get(key, ())
            if service is not None and said != self._said[key]:
                verbs += [
                    Note(service, each.reason, each.message, warning=True) for each in self._said[key] if each not in said
                ]
        return Plan(tuple(verbs))

    def failed(self, verbs: Sequence[Verb]) -> None:
        """Events that are refused are let go."""


def _broken(notes: tuple[TableNote, ...]) -> tuple[TableNote, ...]:
    found = tuple(dict.fromkeys(each for each in notes if each.reason in BROKEN))
    if len(found) <= MOST_SAID:
        return found
    last = found[MOST_SAID - 1]
    more = f"{last.message} (and {len(found) - MOST_SAID} more: `moorage explain service` lists them)"
    return (*found[: MOST_SAID - 1], TableNote(last.reason, more))
