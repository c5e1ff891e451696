"""Services with a selector + Pods -> EndpointSlices, as upstream's controller makes them (KEP-752).

Slices carry upstream's managed-by label: those of others are left alone, as are Services without a selector. The slices of a
Service that is gone are the garbage collector's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from moorage.control.endpoints import Ports, can_be_endpoint, endpoint, families, is_headless, resolved_ports, same_ports
from moorage.control.names import named
from moorage.control.packing import Labels, pack
from moorage.control.selection import CONTROLLER_NAME, Selection
from moorage.control.trigger_times import TriggerTimes, annotated
from moorage.control.types import Plan
from moorage.control.work_queue import BATCH, WorkQueue
from moorage.model.cluster import Node
from moorage.model.meta import Key, Object, ObjectMeta, OwnerReference
from moorage.model.net import Family
from moorage.model.pods import Pod
from moorage.model.service import EXTERNAL_NAME, Service
from moorage.model.slices import HEADLESS_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL, Endpoint, EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Create, Delete, Update, Verb

if TYPE_CHECKING:
    from random import Random

Groups = dict[frozenset[object], tuple[Ports, list[Endpoint]]]
"""Endpoints by the set of ports that they resolve the Service's ports to."""

_RESERVED = (SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL)


class EndpointSliceController:
    """Looks only at Services that a change touches. `random` makes the names of new slices."""

    name = "endpointslice-controller"
    wants: tuple[type[Object], ...] = (Service, Pod, EndpointSlice, Node)

    def __init__(self, random: Random, batch: int = BATCH) -> None:
        self._random = random
        self._selection = Selection()
        self._queue = WorkQueue(batch)
        self._trigger_times = TriggerTimes()

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """Plans the writes for at most one batch of touched Services; those that wait for their own writes stay due."""
        self._queue.shown(changes)
        self._queue.add(self._selection.update(snapshot, changes))
        if self._selection.behind:
            return Plan(wake_at=now)
        return self._queue.turn(snapshot, now, lambda key: self._plan(key, snapshot))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._queue.failed(verbs)

    def _plan(self, key: Key, snapshot: Snapshot) -> list[Verb]:
        service = snapshot.get(Service, key)
        existing = self._selection.slices_of(key, snapshot)
        if service is None:
            self._trigger_times.forget(key)
            return []
        if service.spec.type == EXTERNAL_NAME:
            return [_delete(each) for each in existing]
        if not service.spec.selector:
            return []
        wanted, pods = families(service), self._selection.pods_of(service)
        since = self._trigger_times.since(service, pods)
        verbs: list[Verb] = [_delete(each) for each in existing if each.address_type not in {one.value for one in wanted}]
        for family in wanted:
            groups = _grouped(service, pods, family, snapshot)
            verbs += self._plan_family(
                service, family, [each for each in existing if each.address_type == family.value], groups
            )
        return [_since(each, since) for each in verbs]

    def _plan_family(self, service: Service, family: Family, existing: list[EndpointSlice], groups: Groups) -> list[Verb]:
        """Each group of endpoints has slices of its own."""
        labels = _labels(service)
        ours = [each for each in existing if _is_owned(each, service)]
        spare = [each for each in existing if not _is_owned(each, service)]
        updated: list[EndpointSlice] = []
        new: list[EndpointSlice] = []
        by_ports: dict[frozenset[object], list[EndpointSlice]] = {}
        for each in ours:
            by_ports.setdefault(frozenset(each.ports), []).append(each)
        for port_set, (ports, endpoints) in groups.items():
            packing = pack(by_ports.pop(port_set, ()), endpoints, labels)
            spare += packing.emptied
            updated += packing.updated
            new += [_slice(service, family, ports, each, labels) for each in packing.new]
        spare += [each for slices in by_ports.values() for each in slices]
        if not new and len(spare) == len(existing):
            new.append(_slice(service, family, (), (), labels))  # upstream's placeholder: "no endpoints" is said, not omitted
        return self._write(service, new, updated, spare)

    def _write(
        self, service: Service, new: list[EndpointSlice], updated: list[EndpointSlice], spare: list[EndpointSlice]
    ) -> list[Verb]:
        """A slice to be deleted and one to be made become one update. A Service being deleted gets nothing new."""
        for old in list(spare):
            if new and _is_owned(old, service):
                made = new.pop()
                meta = replace(old.metadata, labels=made.metadata.labels)
                reused = replace(old, metadata=meta, endpoints=made.endpoints, ports=made.ports)
                updated += [reused] if reused != old else []
                spare.remove(old)
        if service.metadata.deletion_timestamp is not None:
            new = []
        return [
            *(Create(named(each, self._random)) for each in new),
            *(Update(each) for each in updated),
            *(_delete(each) for each in spare),
        ]


def _grouped(service: Service, pods: Iterable[Pod], family: Family, snapshot: Snapshot) -> Groups:
    """Where all Pods have the same ports, they are looked up once."""
    groups: Groups = {}
    nodes = snapshot.all(Node)
    common = same_ports(service)
    together = groups.setdefault(frozenset(common), (common, []))[1] if common is not None else None
    for pod in pods:
        node = nodes.get(Key("", pod.spec.node_name))
        made = endpoint(pod, node, service, family) if can_be_endpoint(pod, node, service) else None
        if made is None:
            continue
        if together is not None:
            together.append(made)
        else:
            ports = resolved_ports(service, pod)
            groups.setdefault(frozenset(ports), (ports, []))[1].append(made)
    return {key: group for key, group in groups.items() if group[1]}


def _slice(service: Service, family: Family, ports: Ports, endpoints: tuple[Endpoint, ...], labels: Labels) -> EndpointSlice:
    reference = OwnerReference(
        api_version="v1",
        kind="Service",
        name=service.metadata.name,
        uid=service.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=ObjectMeta(
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=dict(labels),
            owner_references=(reference,),
        ),
        address_type=family.value,
        endpoints=endpoints,
        ports=ports,
    )


def _labels(service: Service) -> dict[str, str]:
    """The Service's own labels and the three that tie the slice to it."""
    labels = {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return {**labels, SERVICE_NAME_LABEL: service.metadata.name, MANAGED_BY_LABEL: CONTROLLER_NAME}


def _is_owned(slice_: EndpointSlice, service: Service) -> bool:
    """A namesake that was deleted before may have left slices: they belong to another uid."""
    return any(each.kind == "Service" and each.uid == service.metadata.uid for each in slice_.metadata.owner_references)


def _since(verb: Verb, since: str) -> Verb:
    """Says in what is written when the change began that it answers to."""
    match verb:
        case Create(obj):
            return Create(replace(obj, metadata=annotated(obj.metadata, since)))
        case Update(obj):
            return Update(replace(obj, metadata=annotated(obj.metadata, since)))
        case _:
            return verb


def _delete(slice_: EndpointSlice) -> Delete:
    return Delete(EndpointSlice, slice_.key, slice_.metadata.uid)
