"""Snapshot -> the verbs that take away whatever our controllers and agents wrote onto objects of others.

A load-balancer address stays in the status of its Service: whoever comes next takes it over, as MetalLB does. The finalizer
goes, with which no Service that had an address of ours could be deleted any more (KEP-980).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from moorage.control.load_balancers import CLEANUP_FINALIZER
from moorage.model.service import CLASSES, LOAD_BALANCER, PROVIDER_ANNOTATION, Service
from moorage.model.slices import MANAGED_BY_LABEL, EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.model.verbs import Delete, MergePatch

OURS = "moorage.dev"
"""The domain of our annotations, conditions and managers."""


def uninstall(snapshot: Snapshot) -> tuple[MergePatch | Delete, ...]:
    """Reads Services and EndpointSlices. Called again after its verbs were performed, it plans nothing."""
    return (*_services(snapshot), *_slices(snapshot))


def _services(snapshot: Snapshot) -> Iterator[MergePatch]:
    for key, service in sorted(snapshot.all(Service).items()):
        meta = service.metadata
        metadata: dict[str, Any] = {}
        status: dict[str, Any] = {}
        if CLEANUP_FINALIZER in meta.finalizers and _was_ours(service):
            metadata["finalizers"] = [each for each in meta.finalizers if each != CLEANUP_FINALIZER] or None
        if PROVIDER_ANNOTATION in meta.annotations:
            metadata["annotations"] = {PROVIDER_ANNOTATION: None}
        theirs = [each for each in service.status.conditions if not each.type.startswith(f"{OURS}/")]
        if len(theirs) < len(service.status.conditions):
            status["conditions"] = msgspec.to_builtins(theirs) or None
        if metadata or status:
            guarded = {"resourceVersion": meta.resource_version, **metadata}
            yield MergePatch(Service, key, {"metadata": guarded, **({"status": status} if status else {})}, "status")


def _was_ours(service: Service) -> bool:
    """Clouds have the same finalizer on Services of theirs."""
    asked = service.spec.load_balancer_class
    given = PROVIDER_ANNOTATION in service.metadata.annotations
    return given if not asked else asked in CLASSES or (given and service.spec.type != LOAD_BALANCER)


def _slices(snapshot: Snapshot) -> Iterator[Delete]:
    """Those by which node agents offer their DNS."""
    for key, each in sorted(snapshot.all(EndpointSlice).items()):
        if each.metadata.labels.get(MANAGED_BY_LABEL, "").endswith(f".{OURS}"):
            yield Delete(EndpointSlice, key, each.metadata.uid)
