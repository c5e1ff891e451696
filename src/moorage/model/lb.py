"""`metallb.io/v1beta1` IPAddressPool: where load-balancer addresses come from, in MetalLB's own words."""

from __future__ import annotations

from moorage.model.meta import Object
from moorage.model.wire import ApiType, Tree


class ServiceAllocation(ApiType, frozen=True):
    """Which Services may draw from the pool; the lower `priority` (above 0) is asked first."""

    priority: int = 0
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[Tree, ...] = ()
    service_selectors: tuple[Tree, ...] = ()


class IPAddressPoolSpec(ApiType, frozen=True):
    """`addresses` holds prefixes (`10.0.0.0/24`) and ranges (`10.0.0.1-10.0.0.9`). `auto_assign` None means true."""

    addresses: tuple[str, ...] = ()
    auto_assign: bool | None = None
    avoid_buggy_ips: bool = False
    service_allocation: ServiceAllocation | None = None


class IPAddressPoolStatus(ApiType, frozen=True):
    """Counts of single addresses. IPv6 pools may be too large to count and then say 0 available, as MetalLB does."""

    assigned_ipv4: int = 0
    assigned_ipv6: int = 0
    available_ipv4: int = 0
    available_ipv6: int = 0


class IPAddressPool(Object, frozen=True):
    spec: IPAddressPoolSpec = IPAddressPoolSpec()
    status: IPAddressPoolStatus = IPAddressPoolStatus()
