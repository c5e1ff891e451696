"""Which Services a change touches, and which Pods a Service selects, without looking at the others.

Pods are kept by each of their labels, Services by one pair of their selector: the rarest at the time. A look-up goes through
the smallest of the sets and checks the rest, so its cost does not grow with the number of Services or Pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from moorage.model.cluster import ZONE_LABEL, Node
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.selectors import match_labels
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot

CONTROLLER_NAME = "endpointslice-controller.k8s.io"
"""The value of the managed-by label under which upstream's controller, and so this one, owns a slice."""

Pair = tuple[str, str, str]
"""Namespace, label key, label value."""

T = TypeVar("T")


def _pairs(namespace: str, labels: Mapping[str, str]) -> list[Pair]:
    return [(namespace, key, value) for key, value in labels.items()]


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

    def __init__(self) -> None:
        self._pods: dict[Key, Pod] = {}
        self._pods_by_label: _Sets[Pair] = _Sets()
        self._pods_by_node: _Sets[str] = _Sets()
        self._services: dict[Key, Pair] = {}
        self._services_by_pair: _Sets[Pair] = _Sets()
        self._selectors: dict[Key, Mapping[str, str]] = {}
        self._slices: dict[Key, Key] = {}
        self._slices_by_service: _Sets[Key] = _Sets()
        self._zones: dict[str, str] = {}

    def update(self, snapshot: Snapshot, changes: Changes) -> dict[Key, None]:
        """Takes in what changed. Returns the Services that it touches, in a stable order."""
        if changes.everything:
            self.__init__()  # type: ignore[misc]  # start over: nothing from before counts
            changes = Changes({type_: frozenset(objects) for type_, objects in snapshot.by_type.items()})
        touched: dict[Key, None] = {}
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

    def pods_of(self, service: Service) -> list[Pod]:
        """The Pods that the Service selects, by name."""
        wanted = service.spec.selector
        if not wanted:
            return []
        sets = [self._pods_by_label.get(pair, set()) for pair in _pairs(service.metadata.namespace, wanted)]
        smallest = min(sets, key=len)
        pods = (self._pods[key] for key in sorted(smallest))
        return [pod for pod in pods if len(sets) == 1 or match_labels(wanted, pod.metadata.labels)]

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
        old = self._pods.pop(key, None)
        if old is not None:
            yield from self._selecting(old)
            for pair in _pairs(key.namespace, old.metadata.labels):
                self._pods_by_label.drop(pair, key)
            self._pods_by_node.drop(old.spec.node_name, key)
        if pod is not None:
            yield from self._selecting(pod)
            self._pods[key] = pod
            for pair in _pairs(key.namespace, pod.metadata.labels):
                self._pods_by_label.put(pair, key)
            self._pods_by_node.put(pod.spec.node_name, key)

    def _selecting(self, pod: Pod) -> Iterable[Key]:
        labels = pod.metadata.labels
        candidates: set[Key] = set()
        for pair in _pairs(pod.metadata.namespace, labels):
            candidates |= self._services_by_pair.get(pair, set())
        return [key for key in sorted(candidates) if match_labels(self._selectors[key], labels)]

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
        return [service for pod in pods for service in self._selecting(pod)]


def owner(slice_: EndpointSlice) -> Key | None:
    """The Service of a slice that this controller manages, or None for a slice of somebody else."""
    managed = slice_.metadata.labels.get("endpointslice.kubernetes.io/managed-by") == CONTROLLER_NAME
    return Key(slice_.metadata.namespace, slice_.service_name) if managed and slice_.service_name else None
