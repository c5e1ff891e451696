"""The table of strategies: kind -> its rules. A kind without rules of its own takes the plain `Strategy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.model.kinds import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    IP_ADDRESS_POOLS,
    IP_ADDRESSES,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_CIDRS,
    SERVICES,
)
from moorage.registry.endpoints import EndpointsStrategy
from moorage.registry.events import EventStrategy
from moorage.registry.ip_addresses import IPAddressStrategy
from moorage.registry.leases import LeaseStrategy
from moorage.registry.namespaces import NamespaceStrategy
from moorage.registry.nodes import NodeStrategy
from moorage.registry.pods import PodStrategy
from moorage.registry.pools import PoolStrategy
from moorage.registry.service import ServiceStrategy
from moorage.registry.service_cidrs import ServiceCIDRStrategy
from moorage.registry.settings import RegistrySettings
from moorage.registry.slices import EndpointSliceStrategy
from moorage.registry.strategy import Strategy


def strategies(settings: RegistrySettings) -> Mapping[str, Strategy[Any]]:
    """By `Kind.resource`. Raises ValueError where the settings hold a malformed prefix."""
    return {
        NAMESPACES.resource: NamespaceStrategy(),
        NODES.resource: NodeStrategy(),
        PODS.resource: PodStrategy(),
        SERVICES.resource: ServiceStrategy(settings),
        EVENTS.resource: EventStrategy(),
        ENDPOINTS.resource: EndpointsStrategy(),
        ENDPOINT_SLICES.resource: EndpointSliceStrategy(),
        LEASES.resource: LeaseStrategy(),
        IP_ADDRESS_POOLS.resource: PoolStrategy(),
        SERVICE_CIDRS.resource: ServiceCIDRStrategy(),
        IP_ADDRESSES.resource: IPAddressStrategy(),
    }
