"""What the load-balancer controller writes, as patches: of Services through the door of their status, and of pools.

The status of a Service takes its metadata too, so that nobody who hands out addresses needs to write the Service itself
(upstream: `servicehelper.PatchService`). Each patch is guarded by the version that it was decided from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from moorage.allocate.pools import Pool
from moorage.allocate.reservations import RETAINED_ANNOTATION
from moorage.control.address_book import Book
from moorage.control.fights import FROM_POOL_ANNOTATION
from moorage.model.lb import IPAddressPool, IPAddressPoolStatus
from moorage.model.net import Address, Family
from moorage.model.service import PROVIDER_ANNOTATION, LoadBalancerIngress, Service, ServiceCondition
from moorage.model.verbs import MergePatch
from moorage.model.wire import Tree
from moorage.table.ingress import PROXY_MODE, proxy_protocol

LARGEST_COUNT = 2**63 - 1
"""What a Kubernetes integer holds: a larger pool counts as 0 available, as with MetalLB."""

Marks = Mapping[str, str | None]
"""Annotations that have to change: None takes one away."""


def marks(service: Service, provider: str, pool: str) -> Marks:
    """Who serves the Service's address and which pool it is from. Without a pool there is no address; who serves it stays."""
    wanted: dict[str, str | None] = {FROM_POOL_ANNOTATION: pool or None}
    if pool and not service.spec.load_balancer_class:
        wanted[PROVIDER_ANNOTATION] = provider
    return {key: value for key, value in wanted.items() if service.metadata.annotations.get(key) != value}


def status_patch(
    service: Service,
    addresses: Sequence[Address] | None = None,
    conditions: Sequence[ServiceCondition] | None = None,
    annotations: Marks | None = None,
) -> MergePatch:
    """None leaves each of them as it is. Whole lists are written, which is why others' conditions are among them."""
    metadata: Tree = {"resourceVersion": service.metadata.resource_version}
    if annotations:
        metadata = {**metadata, "annotations": dict(annotations)}
    status: Tree = {}
    if addresses is not None:
        ingress = [LoadBalancerIngress(ip=str(each), ip_mode=_mode(service)) for each in addresses]
        status["loadBalancer"] = {"ingress": msgspec.to_builtins(ingress) or None}
    if conditions is not None:
        status["conditions"] = msgspec.to_builtins(list(conditions)) or None
    return MergePatch(Service, service.key, {"metadata": metadata, "status": status}, "status")


def _mode(service: Service) -> str:
    """`ipMode` (KEP-1860). Connections that begin with a PROXY header all go through the load balancer, which writes it."""
    return PROXY_MODE if proxy_protocol(service) else "VIP"


def mode_is_right(service: Service) -> bool:
    return all((each.ip_mode or "VIP") == _mode(service) for each in service.status.load_balancer.ingress if each.ip)


def finalizers_patch(service: Service, finalizers: Sequence[str]) -> MergePatch:
    tree = {"metadata": {"resourceVersion": service.metadata.resource_version, "finalizers": list(finalizers) or None}}
    return MergePatch(Service, service.key, tree, "status")


def counts_patch(obj: IPAddressPool, pool: Pool, book: Book) -> MergePatch | None:
    """The pool's counts; None where they are right."""
    used = {family: book.count(pool, family) for family in Family}
    free = {family: pool.capacity(family) - used[family] for family in Family}
    status = IPAddressPoolStatus(
        assigned_ipv4=used[Family.IPV4],
        assigned_ipv6=used[Family.IPV6],
        available_ipv4=free[Family.IPV4],
        available_ipv6=free[Family.IPV6] if free[Family.IPV6] <= LARGEST_COUNT else 0,
    )
    if status == obj.status:
        return None
    counts = {"assignedIPv4": 0, "assignedIPv6": 0, "availableIPv4": 0, "availableIPv6": 0, **msgspec.to_builtins(status)}
    return MergePatch(IPAddressPool, obj.key, {"status": counts}, "status")


def retained_patch(obj: IPAddressPool, text: str) -> MergePatch | None:
    """What the pool remembers; None where it is written there already."""
    if obj.metadata.annotations.get(RETAINED_ANNOTATION, "") == text:
        return None
    version = obj.metadata.resource_version
    tree = {"metadata": {"resourceVersion": version, "annotations": {RETAINED_ANNOTATION: text or None}}}
    return MergePatch(IPAddressPool, obj.key, tree)
