"""Hand-written Endpoints of Services without a selector -> EndpointSlices, as upstream's mirroring controller makes them.

Source: upstream `pkg/controller/endpointslicemirroring`. One slice for each subset and address family; slices go with their
Endpoints. The label `endpointslice.kubernetes.io/skip-mirror: "true"` turns it off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from moorage.control.endpoints import Ports
from moorage.control.names import named
from moorage.control.packing import pack
from moorage.control.subsets import repacked
from moorage.control.types import Plan
from moorage.control.work_queue import BATCH, WorkQueue
from moorage.model.endpoints import (
    LAST_CHANGE_ANNOTATION,
    LEADER_ANNOTATION,
    MAX_ADDRESSES,
    SKIP_MIRROR_LABEL,
    EndpointAddress,
    Endpoints,
)
from moorage.model.meta import Key, Object, ObjectMeta, OwnerReference
from moorage.model.net import Family, parse_address
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import (
    MANAGED_BY_LABEL,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Create, Delete, Note, Update, Verb
from moorage.table.slice_index import SliceIndex

if TYPE_CHECKING:
    from random import Random

MIRRORING_NAME = "endpointslicemirroring-controller.k8s.io"
"""The value of the managed-by label of mirrored slices."""

_NOT_MIRRORED = (LAST_CHANGE_ANNOTATION, "kubectl.kubernetes.io/last-applied-configuration")
"""Annotations of the Endpoints that its slices do not get."""

Group = tuple[Family, Ports]
"""What the endpoints of one slice share."""


class _Wanted(msgspec.Struct, frozen=True):
    """`skipped` and `invalid` are numbers of addresses that are in no slice: beyond the limit, and no addresses at all."""

    groups: dict[Group, list[Endpoint]]
    skipped: int
    invalid: int


class MirroringController:
    """`random` makes the names of new slices."""

    name = "endpointslice-mirroring-controller"
    wants: tuple[type[Object], ...] = (Service, Endpoints, EndpointSlice)

    def __init__(self, random: Random, batch: int = BATCH) -> None:
        self._random = random
        self._slices = SliceIndex()
        self._queue = WorkQueue(batch)

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """Plans for at most one batch of touched Endpoints."""
        self._queue.shown(changes)
        if changes.everything:
            slices = [each for each in snapshot.all(EndpointSlice).values() if _is_mirrored(each)]
            self._slices = SliceIndex(slices)
            touched = {*snapshot.all(Endpoints), *(Key(each.metadata.namespace, each.service_name) for each in slices)}
        else:
            by_slice = self._slices.update(snapshot, changes.of(EndpointSlice))
            touched = by_slice | changes.of(Service) | changes.of(Endpoints)
        self._queue.add(sorted(touched))
        return self._queue.turn(snapshot, now, lambda key: self._plan(key, snapshot))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._queue.failed(verbs)

    def _plan(self, key: Key, snapshot: Snapshot) -> list[Verb]:
        existing = [each for each in self._slices.of(key) if _is_mirrored(each) and not each.metadata.deletion_timestamp]
        service, endpoints = snapshot.get(Service, key), snapshot.get(Endpoints, key)
        if service is None or service.spec.selector or endpoints is None or not _should_mirror(endpoints):
            return [_delete(each) for each in existing]
        wanted = _wanted(endpoints)
        verbs = self._write(endpoints, sorted(existing, key=lambda each: each.key), wanted)
        return [*verbs, *_notes(endpoints, wanted)] if verbs else []

    def _write(self, endpoints: Endpoints, existing: list[EndpointSlice], wanted: _Wanted) -> list[Verb]:
        """One slice for each group. A slice that is not needed any more becomes one that is, of the same family."""
        by_group: dict[Group, EndpointSlice] = {}
        spare = [each for each in existing if by_group.setdefault((Family(each.address_type), each.ports), each) is not each]
        spare += [by_group.pop(group) for group in list(by_group) if group not in wanted.groups]
        verbs: list[Verb] = []
        for group, listed in wanted.groups.items():
            fresh = _slice(endpoints, group)
            old = by_group.get(group)
            if old is None and (old := next((each for each in spare if each.address_type == group[0].value), None)) is not None:
                spare.remove(old)
            if old is not None:
                placed = _placed(old, listed)
                made = replace(old, metadata=_carried(old.metadata, fresh.metadata), endpoints=placed, ports=group[1])
                verbs += [Update(made)] if made != old else []
            elif endpoints.metadata.deletion_timestamp is None:
                verbs.append(Create(named(replace(fresh, endpoints=tuple(listed)), self._random)))
        return [*verbs, *map(_delete, spare)]


def _is_mirrored(slice_: EndpointSlice) -> bool:
    """A slice that says so, of a family that this controller makes."""
    mirrored = slice_.metadata.labels.get(MANAGED_BY_LABEL) == MIRRORING_NAME
    return mirrored and slice_.address_type in [each.value for each in Family]


def _should_mirror(endpoints: Endpoints) -> bool:
    meta = endpoints.metadata
    return meta.labels.get(SKIP_MIRROR_LABEL) != "true" and LEADER_ANNOTATION not in meta.annotations


def _wanted(endpoints: Endpoints) -> _Wanted:
    """Ready addresses first, at most 1,000 of a subset."""
    groups: dict[Group, list[Endpoint]] = {}
    skipped = invalid = 0
    for subset in repacked(endpoints.subsets):
        ports = tuple(
            EndpointPort(name=each.name, protocol=each.protocol, port=each.port, app_protocol=each.app_protocol)
            for each in subset.ports
        )
        made = [_endpoint(each, ready=True) for each in subset.addresses]
        made += [_endpoint(each, ready=False) for each in subset.not_ready_addresses]
        valid = [each for each in made if each is not None]
        invalid += len(made) - len(valid)
        skipped += max(0, len(valid) - MAX_ADDRESSES)
        for family, endpoint in valid[:MAX_ADDRESSES]:
            groups.setdefault((family, ports), []).append(endpoint)
    return _Wanted(groups, skipped, invalid)


def _endpoint(address: EndpointAddress, ready: bool) -> tuple[Family, Endpoint] | None:
    """None for what is no address."""
    found = parse_address(address.ip)
    if found is None:
        return None
    return Family.of(found), Endpoint(
        addresses=(str(found),),
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )


def _placed(old: EndpointSlice, wanted: list[Endpoint]) -> tuple[Endpoint, ...]:
    """The wanted endpoints, those that the slice has already in their places."""
    packing = pack([old], wanted, old.metadata.labels, MAX_ADDRESSES)
    kept = (*packing.kept, *packing.updated)
    return kept[0].endpoints if kept else tuple(wanted)


def _slice(endpoints: Endpoints, group: Group) -> EndpointSlice:
    """Without endpoints. It has the labels and annotations of the Endpoints, which owns it."""
    meta = endpoints.metadata
    reference = OwnerReference(
        api_version="v1", kind="Endpoints", name=meta.name, uid=meta.uid, controller=True, block_owner_deletion=True
    )
    made = ObjectMeta(
        generate_name=f"{meta.name}-",
        namespace=meta.namespace,
        labels={**meta.labels, SERVICE_NAME_LABEL: meta.name, MANAGED_BY_LABEL: MIRRORING_NAME},
        annotations={key: value for key, value in meta.annotations.items() if key not in _NOT_MIRRORED},
        owner_references=(reference,),
    )
    return EndpointSlice(
        api_version="discovery.k8s.io/v1", kind="EndpointSlice", metadata=made, address_type=group[0].value, ports=group[1]
    )


def _carried(old: ObjectMeta, fresh: ObjectMeta) -> ObjectMeta:
    return replace(old, labels=fresh.labels, annotations=fresh.annotations, owner_references=fresh.owner_references)


def _notes(endpoints: Endpoints, wanted: _Wanted) -> Iterator[Note]:
    """In upstream's words."""
    if wanted.invalid:
        text = f"Skipped {wanted.invalid} invalid IP addresses when mirroring to EndpointSlices"
        yield Note(endpoints, Reason.INVALID_IP_ADDRESS, text, warning=True)
    if wanted.skipped:
        text = (
            f"A max of {MAX_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{wanted.skipped + wanted.invalid} addresses were skipped"
        )
        yield Note(endpoints, Reason.TOO_MANY_ADDRESSES_TO_MIRROR, text, warning=True)


def _delete(slice_: EndpointSlice) -> Delete:
    return Delete(EndpointSlice, slice_.key, slice_.metadata.uid)
