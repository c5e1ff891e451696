"""What was written but is not seen yet: a reader of a watch lags behind its own writes.

A plan made from a snapshot that misses the plan before it would create twice, or lose against its own update. So the objects
that a plan writes are remembered with the resourceVersion they had, and whoever they belong to waits until the snapshot shows
another one. Source of the idea: upstream's endpointslice tracker and "expectations" of its ReplicaSet controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from moorage.model.meta import Key, Object
from moorage.model.pods import Pod
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Bind, Collect, Create, Delete, MergePatch, Note, Update, Verb

PATIENCE = 5.0
"""Seconds after which a write that never showed is no longer waited for: the object may have come and gone in between."""

Target = tuple[type[Object], Key]


class _Sent(msgspec.Struct, frozen=True):
    """`over` is the resourceVersion that was written over, empty for a new object."""

    over: str
    expires: float


def target(verb: Verb) -> Target | None:
    """The object that a verb writes. None for a Note, which writes an Event that nobody here reads."""
    match verb:
        case Create(obj=obj) | Update(obj=obj):
            return type(obj), obj.key
        case MergePatch(type=type_, key=key) | Delete(type=type_, key=key) | Collect(type=type_, key=key):
            return type_, key
        case Bind(pod=pod):
            return Pod, pod
        case Note():
            return None


class InFlight:
    """Writes by the object that they are made for (a Service for its slices, a Node for itself)."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._sent: dict[Key, dict[Target, _Sent]] = {}

    def sent(self, owner: Key, verbs: Iterable[Verb], snapshot: Snapshot, now: float) -> None:
        """Remembers verbs planned from this snapshot."""
        for verb in verbs:
            written = target(verb)
            if written is not None:
                self._sent.setdefault(owner, {})[written] = _Sent(_version(snapshot, written), now + self._patience)

    def blocked_until(self, owner: Key, snapshot: Snapshot, now: float) -> float | None:
        """When to look again although nothing changes, or None where every write for this owner is visible."""
        waiting = self._sent.get(owner)
        if waiting is None:
            return None
        for written, sent in list(waiting.items()):
            if sent.expires <= now or _version(snapshot, written) != sent.over:
                del waiting[written]
        if not waiting:
            del self._sent[owner]
            return None
        return max(each.expires for each in waiting.values())

    def shown(self, changes: Changes) -> None:
        """A written object that changed since has been seen, also where it came and went in between."""
        for owner, waiting in list(self._sent.items()):
            for written in [each for each in waiting if each[1] in changes.of(each[0])]:
                del waiting[written]
            if not waiting:
                del self._sent[owner]

    def failed(self, verbs: Sequence[Verb]) -> frozenset[Key]:
        """Forgets writes that did not happen. Returns whom they were for."""
        lost = {target(verb) for verb in verbs}
        owners = set()
        for owner, waiting in list(self._sent.items()):
            for written in lost & waiting.keys():
                del waiting[written]  # type: ignore[arg-type]  # None is no key
                owners.add(owner)
            if not waiting:
                del self._sent[owner]
        return frozenset(owners)


def _version(snapshot: Snapshot, written: Target) -> str:
    found = snapshot.get(*written)
    return found.metadata.resource_version if found is not None else ""
