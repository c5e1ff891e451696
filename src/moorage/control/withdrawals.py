"""Terminating Pods + EndpointSlices + what every node and edge has applied -> the condition `moorage.dev/withdrawn`.

    no Service uses the Pod since version R of EndpointSlices     and     everybody who forwards has applied R or later
                                        -> status True: no new connection goes there

False says who is missing, or which Service still sends connections. It is written once that has lasted a second: most Pods are
withdrawn sooner, and have one write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from moorage.control.applied import Applied, AppliedVersions
from moorage.control.in_flight import InFlight
from moorage.control.still_used import Use, still_used
from moorage.control.types import Plan
from moorage.model.clock import timestamp
from moorage.model.cluster import Lease, Node
from moorage.model.meta import Condition, Key, Object, condition
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import MergePatch, Verb
from moorage.model.withdrawal import WITHDRAWN, is_withdrawn, version_number
from moorage.table.slice_index import SliceIndex

PATIENCE = 1.0
"""Seconds until it is said why a Pod is not withdrawn yet, and between two such messages."""
SHOWN = 5
"""Names in a message; of others there is the number."""


class _Leaving(msgspec.Struct):
    """A terminating Pod; `told` is when something was last said of it, or when it was first seen. `use` says who uses it; where
    nobody does, `version` is that of EndpointSlices since which it is so.
    """

    uid: str
    told: float
    use: Use | None = None
    version: int = 0


class WithdrawalController:
    """Looks at a Pod again when a slice of a Service that has it changes, and when somebody has applied more."""

    name = "withdrawal-controller"
    wants: tuple[type[Object], ...] = (Pod, EndpointSlice, Service, Node, Lease)

    def __init__(self) -> None:
        self._applied = AppliedVersions()
        self._in_flight = InFlight()
        self._slices = SliceIndex()
        self._before = Snapshot()
        self._of_pod: dict[Key, tuple[Key, ...]] = {}
        self._leaving: dict[Key, _Leaving] = {}

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        self._applied.see(snapshot, changes, now)
        touched = self._see_slices(snapshot, changes) | self._see_pods(snapshot, changes, now)
        for key in touched & self._leaving.keys():
            self._judge(self._leaving[key], snapshot.all(Pod)[key], snapshot)
        if not self._leaving:
            return Plan()
        applied = self._applied.count(snapshot, now)
        verbs: list[Verb] = []
        wakes: list[float] = []
        for key, leaving in sorted(self._leaving.items()):
            blocked = self._in_flight.blocked_until(key, snapshot, now)
            if blocked is not None:
                wakes.append(blocked)
                continue
            planned = self._plan(leaving, snapshot.all(Pod)[key], applied, now)
            self._in_flight.sent(key, planned, snapshot, now)
            verbs += planned
            if not planned and leaving.told + PATIENCE > now:
                wakes.append(leaving.told + PATIENCE)
        return Plan(tuple(verbs), min(wakes, default=None))

    def failed(self, verbs: Sequence[Verb]) -> None:
        """A Pod that has changed meanwhile is planned for again."""
        self._in_flight.failed(verbs)

    def _see_slices(self, snapshot: Snapshot, changes: Changes) -> set[Key]:
        """Keeps the slices of each Pod. Returns the Pods that may be used otherwise than before."""
        if changes.everything:
            self._slices, self._before, self._of_pod = SliceIndex(), Snapshot(), {}
        keys = snapshot.all(EndpointSlice).keys() if changes.everything else changes.of(EndpointSlice)
        touched: set[Key] = set(self._leaving) if changes.everything or changes.of(Service) else set()
        for key in keys:
            before, after = self._before.get(EndpointSlice, key), snapshot.get(EndpointSlice, key)
            for pod in _pods(before):
                self._forget(pod, key)
                touched.add(pod)
            only = (key,)  # one tuple for nearly all Pods: they are in one slice
            for pod in _pods(after):
                held = self._of_pod.get(pod)
                self._of_pod[pod] = only if held is None else (*held, key)
        services = self._slices.update(snapshot, keys)
        if keys:
            self._before = Snapshot({EndpointSlice: snapshot.all(EndpointSlice)})
        if self._leaving:
            touched |= {pod for pod in self._leaving if not services.isdisjoint(self._services(pod, snapshot))}
        return touched

    def _forget(self, pod: Key, slice_: Key) -> None:
        left = tuple(each for each in self._of_pod.pop(pod, ()) if each != slice_)
        if left:
            self._of_pod[pod] = left

    def _see_pods(self, snapshot: Snapshot, changes: Changes, now: float) -> set[Key]:
        """Keeps the terminating Pods that are not withdrawn. Returns those that are new."""
        if changes.everything:
            self._leaving = {key: each for key, each in self._leaving.items() if snapshot.get(Pod, key) is not None}
        new = set()
        for key in snapshot.all(Pod) if changes.everything else changes.of(Pod):
            pod, known = snapshot.get(Pod, key), self._leaving.get(key)
            if pod is None or pod.metadata.deletion_timestamp is None or is_withdrawn(pod):
                self._leaving.pop(key, None)
            elif known is None or known.uid != pod.metadata.uid:
                self._leaving[key] = _Leaving(pod.metadata.uid, now)
                new.add(key)
        return new

    def _judge(self, leaving: _Leaving, pod: Pod, snapshot: Snapshot) -> None:
        uses = (self._use(pod, each, snapshot) for each in sorted(self._services(pod.key, snapshot)))
        leaving.use = next(filter(None, uses), None)
        if leaving.use is not None:
            leaving.version = 0
        elif not leaving.version:
            leaving.version = version_number(snapshot.versions.get(EndpointSlice, ""))

    def _use(self, pod: Pod, key: Key, snapshot: Snapshot) -> Use | None:
        service = snapshot.get(Service, key)
        return still_used(pod, service, self._slices.of(key)) if service is not None else None

    def _services(self, pod: Key, snapshot: Snapshot) -> set[Key]:
        """Those whose slices have the Pod."""
        slices = (snapshot.get(EndpointSlice, each) for each in self._of_pod.get(pod, ()))
        return {Key(each.metadata.namespace, each.service_name) for each in slices if each is not None}

    def _plan(self, leaving: _Leaving, pod: Pod, applied: Applied, now: float) -> list[Verb]:
        found = _status(leaving, applied)
        before = condition(pod.status.conditions, WITHDRAWN)
        if found.status == "False":
            if now < leaving.told + PATIENCE or (before is not None and before.message == found.message):
                return []
            leaving.told = now
        since = before.last_transition_time if before is not None and before.status == found.status else timestamp(now)
        new = msgspec.structs.replace(found, last_transition_time=since)
        others = [each for each in pod.status.conditions if each.type != WITHDRAWN]
        patch = {
            "metadata": {"resourceVersion": pod.metadata.resource_version},
            "status": {"conditions": msgspec.to_builtins([*others, new])},
        }
        return [MergePatch(Pod, pod.key, patch, "status")]


def _status(leaving: _Leaving, applied: Applied) -> Condition:
    if leaving.use is not None:
        return _said(False, leaving.use.reason, leaving.use.message)
    missing = applied.missing(leaving.version)
    if missing:
        return _said(False, Reason.WITHDRAWING, f"not taken out yet: {_names(missing)}")
    if not applied.silent:
        return _said(True, Reason.WITHDRAWN, "no node and no edge sends new connections here")
    text = f"no node and no edge sends new connections here; without an answer: {_names(applied.silent)}"
    return _said(True, Reason.WITHDRAWN, text)


def _said(done: bool, reason: Reason, message: str) -> Condition:
    return Condition(type=WITHDRAWN, status="True" if done else "False", reason=reason.value, message=message)


def _names(names: Sequence[str]) -> str:
    shown, more = ", ".join(names[:SHOWN]), len(names) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _pods(slice_: EndpointSlice | None) -> Iterable[Key]:
    """The Pods that are endpoints of a slice."""
    for each in slice_.endpoints if slice_ is not None else ():
        target = each.target_ref
        if target is not None and target.kind == "Pod":
            yield Key(target.namespace, target.name)
