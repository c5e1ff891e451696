"""The table of strategies: kind -> its rules. A kind without rules of its own takes the plain `Strategy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.model.kinds import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    COMMUNITIES,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    INGRESS_CLASSES,
    INGRESSES,
    IP_ADDRESS_POOLS,
    IP_ADDRESSES,
    L2_ADVERTISEMENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICE_BGP_STATUSES,
    SERVICE_CIDRS,
    SERVICE_L2_STATUSES,
    SERVICES,
)
from moorage.registry.config_maps import ConfigMapStrategy
from moorage.registry.endpoints import EndpointsStrategy
from moorage.registry.events import EventStrategy
from moorage.registry.ingresses import IngressClassStrategy, IngressStrategy
from moorage.registry.ip_addresses import IPAddressStrategy
from moorage.registry.leases import LeaseStrategy
from moorage.registry.metallb import (
    BFDProfileStrategy,
    BGPAdvertisementStrategy,
    BGPPeerStrategy,
    CommunityStrategy,
    L2AdvertisementStrategy,
    ServiceBGPStatusStrategy,
    ServiceL2StatusStrategy,
)
from moorage.registry.namespaces import NamespaceStrategy
from moorage.registry.nodes import NodeStrategy
from moorage.registry.pods import PodStrategy
from moorage.registry.pools import PoolStrategy
from moorage.registry.secrets import SecretStrategy
from moorage.registry.service import ServiceStrategy
from moorage.registry.service_accounts import ServiceAccountStrategy
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
        CONFIG_MAPS.resource: ConfigMapStrategy(),
        SECRETS.resource: SecretStrategy(settings.tokens),
        SERVICE_ACCOUNTS.resource: ServiceAccountStrategy(),
        INGRESSES.resource: IngressStrategy(),
        INGRESS_CLASSES.resource: IngressClassStrategy(),
        L2_ADVERTISEMENTS.resource: L2AdvertisementStrategy(),
        BGP_ADVERTISEMENTS.resource: BGPAdvertisementStrategy(),
        COMMUNITIES.resource: CommunityStrategy(),
        BFD_PROFILES.resource: BFDProfileStrategy(),
        BGP_PEERS.resource: BGPPeerStrategy(),
        SERVICE_L2_STATUSES.resource: ServiceL2StatusStrategy(),
        SERVICE_BGP_STATUSES.resource: ServiceBGPStatusStrategy(),
    }
