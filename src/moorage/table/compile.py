"""Snapshot + node facts -> ForwardingTable, from nothing or from what changed.

`Compiler` compiles again only Services that changed themselves, whose slices changed, or that share an address with one of
those. The frontends of all others keep their identity from table to table, which datapaths rely on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.claims import Claims, verdict
from moorage.table.frontends import compile_service
from moorage.table.slice_index import SliceIndex
from moorage.table.types import ForwardingTable, Frontend, LocalCheck, NodeFacts, TableNote

T = TypeVar("T")


def compile_table(snapshot: Snapshot, facts: NodeFacts) -> ForwardingTable:
    """The table of one node, compiled from nothing."""
    return Compiler().update(snapshot, Changes(everything=True), facts)


class Compiler:
    """Keeps the last table and what it was made from. One Compiler serves one node, and sees its snapshots in order. `own` are
    frontends of the agent's own: they are in every table, under keys that no Service has.
    """

    def __init__(self, own: Mapping[Key, tuple[Frontend, ...]] = {}) -> None:
        self._own = own
        self._table = ForwardingTable(own)
        self._facts: NodeFacts | None = None
        self._slices = SliceIndex()
        self._claims = Claims()
        self._notes: dict[Key, tuple[TableNote, ...]] = {}
        self._checks: dict[Key, LocalCheck] = {}

    def update(self, snapshot: Snapshot, changes: Changes, facts: NodeFacts) -> ForwardingTable:
        """The table of `snapshot`; the very last one where nothing in it changes.

        `changes` must name everything that changed since the snapshot of the last call. Facts that frontends depend on make
        every Service be compiled again.
        """
        if changes.everything or self._facts is None or _place(facts) != _place(self._facts):
            self._slices = SliceIndex(snapshot.all(EndpointSlice).values())
            touched = {*snapshot.all(Service), *self._table.services, *self._table.notes} - self._own.keys()
        else:
            touched = self._slices.update(snapshot, changes.of(EndpointSlice)) | changes.of(Service)
        self._facts = facts
        affected = set(touched)
        for key in touched:
            affected |= self._compile(key, snapshot.get(Service, key), facts)
        self._table = self._with(affected, facts)
        return self._table

    def _compile(self, key: Key, service: Service | None, facts: NodeFacts) -> set[Key]:
        """Takes up one Service; the result names the others that may get other frontends by it."""
        if service is None:
            self._notes.pop(key, None)
            self._checks.pop(key, None)
            return self._claims.drop(key)
        compiled = compile_service(service, self._slices.of(key), facts)
        self._notes[key] = compiled.notes
        if compiled.check is not None:
            self._checks[key] = compiled.check
        else:
            self._checks.pop(key, None)
        return self._claims.put(service, compiled.frontends)

    def _with(self, keys: Iterable[Key], facts: NodeFacts) -> ForwardingTable:
        """The last table with the outcome for these Services."""
        old = self._table
        services, notes, verdicts, checks = dict(old.services), dict(old.notes), dict(old.verdicts), dict(old.checks)
        changed = old.locality != facts.locality
        for key in keys:
            granted = self._claims.granted(key)
            said = (*self._notes.get(key, ()), *granted.notes)
            changed |= _set(services, key, granted.frontends)
            changed |= _set(checks, key, self._checks.get(key))
            if _set(notes, key, said):
                changed = True
                _set(verdicts, key, verdict(said))
        return ForwardingTable(services, verdicts, facts.locality, notes, checks) if changed else old


def _place(facts: NodeFacts) -> tuple[object, ...]:
    """The facts that frontends depend on."""
    return facts.name, facts.addresses, facts.zone, facts.weights


def _set(target: dict[Key, T], key: Key, value: T | None) -> bool:
    """Sets an entry, or removes it where the value is empty. False, and nothing is touched, where an equal value is there."""
    present = target.get(key)
    if (present or None) == (value or None):
        return False
    if value:
        target[key] = value
    else:
        del target[key]
    return True
