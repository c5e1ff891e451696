"""Services with a selector and their EndpointSlices -> one Endpoints object each, as upstream's endpoints controller makes it.

It reads the slices that `endpoint_slices.py` wrote, not the Pods: what an address is was decided there. So an Endpoints object
follows its slices, and costs neither a second look at the Pods nor time on the way from a Pod to the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from moorage.control.endpoints import families, is_headless
from moorage.control.selection import CONTROLLER_NAME
from moorage.control.subsets import repacked, truncated
from moorage.control.trigger_times import annotated
from moorage.control.types import Plan
from moorage.control.work_queue import BATCH, WorkQueue
from moorage.model.endpoints import (
    ENDPOINTS_MANAGED_BY_LABEL,
    LAST_CHANGE_ANNOTATION,
    LEADER_ANNOTATION,
    OVER_CAPACITY_ANNOTATION,
    EndpointAddress,
    Endpoints,
    EndpointSubset,
    SubsetPort,
)
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.service import EXTERNAL_NAME, Service
from moorage.model.slices import HEADLESS_LABEL, MANAGED_BY_LABEL, Endpoint, EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Create, Delete, Update, Verb
from moorage.table.slice_index import SliceIndex

TRUNCATED = "truncated"


class EndpointsController:
    """An Endpoints object goes with its Service; one that never had a Service is left alone, but not at the first look, which
    finds what was left over while nobody looked.
    """

    name = "endpoint-controller"
    wants: tuple[type[Object], ...] = (Service, EndpointSlice, Endpoints)

    def __init__(self, batch: int = BATCH) -> None:
        self._slices = SliceIndex()
        self._queue = WorkQueue(batch)
        self._services: set[Key] = set()
        self._leftovers: set[Key] | None = None

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """Plans for at most one batch of touched Services."""
        self._queue.shown(changes)
        if changes.everything:
            self._slices = SliceIndex(snapshot.all(EndpointSlice).values())
            touched = {*snapshot.all(Service), *snapshot.all(Endpoints), *self._services}
            if self._leftovers is None:
                self._leftovers = {key for key, each in snapshot.all(Endpoints).items() if not _is_lock(each)}
        else:
            by_slice = self._slices.update(snapshot, changes.of(EndpointSlice))
            touched = by_slice | changes.of(Service) | changes.of(Endpoints)
        self._queue.add(sorted(touched))
        return self._queue.turn(snapshot, now, lambda key: self._plan(key, snapshot))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._queue.failed(verbs)

    def _plan(self, key: Key, snapshot: Snapshot) -> list[Verb]:
        service, present = snapshot.get(Service, key), snapshot.get(Endpoints, key)
        if service is None:
            return self._without_service(key, present)
        self._services.add(key)
        if service.spec.type == EXTERNAL_NAME or not service.spec.selector:
            return []
        slices = [each for each in self._slices.of(key) if _is_of(each, service)]
        if not slices:
            return []  # the controller of slices makes one at least: this Service's turn has not come yet
        wanted = _endpoints(service, slices, present)
        if present is None:
            return [Create(wanted)]
        return [] if _says_the_same(present, wanted) else [Update(wanted)]

    def _without_service(self, key: Key, present: Endpoints | None) -> list[Verb]:
        if present is None:
            self._services.discard(key)
            if self._leftovers is not None:
                self._leftovers.discard(key)
            return []
        known = key in self._services or key in (self._leftovers or ())
        return [Delete(Endpoints, key, present.metadata.uid)] if known else []


def _is_lock(endpoints: Endpoints) -> bool:
    return LEADER_ANNOTATION in endpoints.metadata.annotations


def _is_of(slice_: EndpointSlice, service: Service) -> bool:
    """Whether the slice was made for this Service, in its primary family."""
    family = service.spec.ip_families[0] if service.spec.ip_families else families(service)[0].value
    if slice_.address_type != family or slice_.metadata.labels.get(MANAGED_BY_LABEL) != CONTROLLER_NAME:
        return False
    return any(each.uid == service.metadata.uid for each in slice_.metadata.owner_references)


def _endpoints(service: Service, slices: Sequence[EndpointSlice], present: Endpoints | None) -> Endpoints:
    subsets, over = truncated(repacked(_subsets(service, slices)))
    labels = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS_LABEL}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    meta = (
        present.metadata
        if present is not None
        else ObjectMeta(name=service.metadata.name, namespace=service.metadata.namespace)
    )
    since = max((each.metadata.annotations.get(LAST_CHANGE_ANNOTATION, "") for each in slices), default="")
    meta = annotated(replace(meta, labels={**labels, ENDPOINTS_MANAGED_BY_LABEL: "endpoint-controller"}), since)
    rest = {key: value for key, value in meta.annotations.items() if key != OVER_CAPACITY_ANNOTATION}
    meta = replace(meta, annotations=rest | {OVER_CAPACITY_ANNOTATION: TRUNCATED} if over else rest)
    return Endpoints(api_version="v1", kind="Endpoints", metadata=meta, subsets=subsets)


def _subsets(service: Service, slices: Iterable[EndpointSlice]) -> Iterator[EndpointSubset]:
    """One for each slice. Pods that have none of a Service's ports are no addresses of it, unlike in slices."""
    for each in slices:
        ports = tuple(
            SubsetPort(name=port.name, port=port.port or 0, protocol=port.protocol, app_protocol=port.app_protocol)
            for port in each.ports
        )
        if ports or not service.spec.ports:
            listed = [one for one in each.endpoints if not _is_ending(one, service)]
            ready = tuple(_address(one) for one in listed if one.ready)
            waiting = tuple(_address(one) for one in listed if not one.ready)
            if listed:
                yield EndpointSubset(addresses=ready, not_ready_addresses=waiting, ports=ports)


def _is_ending(endpoint: Endpoint, service: Service) -> bool:
    """Endpoints objects do not know of terminating Pods, unless unready ones are published."""
    return endpoint.conditions.terminating is True and not service.spec.publish_not_ready_addresses


def _address(endpoint: Endpoint) -> EndpointAddress:
    return EndpointAddress(
        ip=endpoint.addresses[0],
        hostname=endpoint.hostname or "",
        node_name=endpoint.node_name,
        target_ref=endpoint.target_ref,
    )


def _says_the_same(present: Endpoints, wanted: Endpoints) -> bool:
    """Whether nothing but the time of the change differs: that is no reason to write."""
    if annotated(present.metadata, "") != annotated(wanted.metadata, ""):
        return False
    return present.subsets == wanted.subsets or repacked(present.subsets) == wanted.subsets
