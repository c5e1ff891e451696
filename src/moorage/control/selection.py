"""Which Services a change touches, and which Pods a Service selects, without looking at the others.

Pods are kept in groups of the same labels, groups by each of their labels, Services by one pair of their selector: the rarest
at the time. A look-up goes through the smallest of the sets and checks the rest, so its cost does not grow with the number of
Services or Pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TypeVar

from moorage.model.cluster import ZONE_LABEL, Node
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot

CONTROLLER_NAME = "endpointslice-controller.k8s.io"
"""The value of the managed-by label under which upstream's controller, and so this one, owns a slice."""

CHUNK = 25_000
"""Pods of a first list that are taken in at once: some 50 ms, in which the loop does nothing else."""

Pair = tuple[str, str, str]
"""Namespace, label key, label value."""

Labels = tuple[str, frozenset[tuple[str, str]]]
"""A namespace and all labels of a Pod: the Pods of one workload have the same."""

T = TypeVar("T")


def _pairs(namespace: str, labels: Mapping[str, str] | Set[tuple[str, str]]) -> list[Pair]:
    return [(namespace, key, value) for key, value in (labels.items() if isinstance(labels, Mapping) else labels)]


def _labels(pod: Pod) -> Labels:
    return pod.metadata.namespace, frozenset(pod.metadata.labels.items())


class _Sets(dict[T, set[Key]]):
    """Sets of keys that exist only while they hold something."""

    def put(self, where: T, key: Key) -> None:
        self.setdefault(where, set()).add(key)

    def drop(self, where: T, key: Key) -> None:
        if kept := self.get(where):
            kept.discard(key)
            if not kept:
                del self[where]


class Selection:
    """Remembers what it last saw of each object, so that an object's old labels touch their Services too."""

    def __init__(self, chunk: int = CHUNK) -> None:
        self._chunk = chunk
        self._pods: dict[Key, Pod] = {}
        self._groups: _Sets[Labels] = _Sets()
        self._groups_by_pair: dict[Pair, set[Labels]] = {}
        self._pods_by_node: _Sets[str] = _Sets()
        self._services: dict[Key, Pair] = {}
        self._services_by_pair: _Sets[Pair] = _Sets()
        self._selectors: dict[Key, Mapping[str, str]] = {}
        self._slices: dict[Key, Key] = {}
        self._slices_by_service: _Sets[Key] = _Sets()
        self._zones: dict[str, str] = {}
        self._start: Iterator[None] | None = None
        self._later = Changes()

    @property
    def behind(self) -> bool:
        """Whether a large snapshot is not taken in yet: `update` has to be called again, and nothing else may be asked."""
        return self._start is not None

    def update(self, snapshot: Snapshot, changes: Changes) -> dict[Key, None]:
        """Takes in what changed. Returns the Services that it touches, in a stable order; none while it is `behind`."""
        if changes.everything:
            self.__init__(self._chunk)  # type: ignore[misc]  # start over: nothing from before counts
            self._start = self._take_in(snapshot)
            changes = Changes()
        touched: dict[Key, None] = {}
        if self._start is not None:
            self._later = self._later.merged(changes)
            if next(self._start, self) is None:
                return touched
            self._start, changes, self._later = None, self._later, Changes()
            touched = dict.fromkeys(sorted({*snapshot.all(Service), *self._slices.values()}))
        for key in sorted(changes.of(Service)):
            self._see_service(key, snapshot.get(Service, key))
            touched[key] = None
        for node in sorted(changes.of(Node)):
            touched |= dict.fromkeys(self._see_node(node.name, snapshot.get(Node, node)))
        for pod in sorted(changes.of(Pod)):
            touched |= dict.fromkeys(self._see_pod(pod, snapshot.get(Pod, pod)))
        for slice_ in sorted(changes.of(EndpointSlice)):
            touched |= dict.fromkeys(self._see_slice(slice_, snapshot.get(EndpointSlice, slice_)))
        return touched

    def _take_in(self, snapshot: Snapshot) -> Iterator[None]:
        """Everything, a chunk of Pods at a time. Every Service is touched, so nobody asks which ones a Pod touches."""
        for key, service in snapshot.all(Service).items():
            self._see_service(key, service)
        for node in snapshot.all(Node).values():
            self._zones[node.metadata.name] = node.metadata.labels.get(ZONE_LABEL, "")
        for key, slice_ in snapshot.all(EndpointSlice).items():
            self._see_slice(key, slice_)
        for number, (key, pod) in enumerate(snapshot.all(Pod).items(), 1):
            self._put_pod(key, pod, _labels(pod))
            if number % self._chunk == 0:
                yield

    def pods_of(self, service: Service) -> list[Pod]:
        """The Pods that the Service selects, by name."""
        wanted = service.spec.selector
        if not wanted:
            return []
        groups = min((self._groups_by_pair.get(pair, set()) for pair in _pairs(service.metadata.namespace, wanted)), key=len)
        matching = [self._groups[each] for each in groups if each[1] >= wanted.items()]
        return [self._pods[key] for key in sorted(set().union(*matching))]

    def slices_of(self, service: Key, snapshot: Snapshot) -> list[EndpointSlice]:
        """The slices under our managed-by label that name the Service, by name; one being deleted is as good as gone."""
        found = (snapshot.get(EndpointSlice, key) for key in sorted(self._slices_by_service.get(service, ())))
        return [each for each in found if each is not None and each.metadata.deletion_timestamp is None]

    def _see_service(self, key: Key, service: Service | None) -> None:
        if key in self._services:
            self._services_by_pair.drop(self._services.pop(key), key)
            del self._selectors[key]
        if service is not None and service.spec.selector:
            pairs = _pairs(key.namespace, service.spec.selector)
            pair = min(pairs, key=lambda each: len(self._services_by_pair.get(each, ())))
            self._services[key] = pair
            self._services_by_pair.put(pair, key)
            self._selectors[key] = service.spec.selector

    def _see_pod(self, key: Key, pod: Pod | None) -> Iterator[Key]:
        old, labels = self._pods.get(key), _labels(pod) if pod is not None else None
        before = _labels(old) if old is not None else None
        if before is not None and before != labels:
            yield from self._selecting(before)
        if labels is not None:
            yield from self._selecting(labels)
        if old is not None and before is not None:
            self._drop_pod(key, old, before)
        if pod is not None and labels is not None:
            self._put_pod(key, pod, labels)

    def _put_pod(self, key: Key, pod: Pod, labels: Labels) -> None:
        self._pods[key] = pod
        group = self._groups.get(labels)
        if group is None:
            group = self._groups[labels] = set()
            for pair in _pairs(*labels):
                self._groups_by_pair.setdefault(pair, set()).add(labels)
        group.add(key)
        self._pods_by_node.put(pod.spec.node_name, key)

    def _drop_pod(self, key: Key, pod: Pod, labels: Labels) -> None:
        del self._pods[key]
        self._pods_by_node.drop(pod.spec.node_name, key)
        self._groups.drop(labels, key)
        if labels not in self._groups:
            for pair in _pairs(*labels):
                self._groups_by_pair[pair].discard(labels)
                if not self._groups_by_pair[pair]:
                    del self._groups_by_pair[pair]

    def _selecting(self, labels: Labels) -> Iterable[Key]:
        candidates: set[Key] = set()
        for pair in _pairs(*labels):
            candidates |= self._services_by_pair.get(pair, set())
        return [key for key in sorted(candidates) if labels[1] >= self._selectors[key].items()]

    def _see_slice(self, key: Key, slice_: EndpointSlice | None) -> Iterable[Key]:
        """The Service that the slice named before, and the one it names now."""
        old = self._slices.pop(key, None)
        if old is not None:
            self._slices_by_service.drop(old, key)
        new = owner(slice_) if slice_ is not None else None
        if new is not None:
            self._slices[key] = new
            self._slices_by_service.put(new, key)
        return [each for each in (old, new) if each is not None]

    def _see_node(self, name: str, node: Node | None) -> list[Key]:
        """Services with Pods on a Node that came, went or moved to another zone; its heartbeats touch nobody."""
        old = self._zones.pop(name, None)
        if node is not None:
            self._zones[name] = node.metadata.labels.get(ZONE_LABEL, "")
        if self._zones.get(name) == old:
            return []
        pods = (self._pods[key] for key in sorted(self._pods_by_node.get(name, ())))
        return [service for labels in dict.fromkeys(map(_labels, pods)) for service in self._selecting(labels)]


def owner(slice_: EndpointSlice) -> Key | None:
    """The Service of a slice that this controller manages, or None for a slice of somebody else."""
    managed = slice_.metadata.labels.get("endpointslice.kubernetes.io/managed-by") == CONTROLLER_NAME
    return Key(slice_.metadata.namespace, slice_.service_name) if managed and slice_.service_name else None
