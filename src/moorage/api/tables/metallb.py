"""Tables of MetalLB's kinds. Source: the printer columns of its CustomResourceDefinitions.

A column of a CustomResourceDefinition is a JSON path: an absent value is an empty cell, a list its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from moorage.api.tables.cells import age
from moorage.api.tables.layout import AGE, NAME, Column, Layout, plain
from moorage.model.meta import Object
from moorage.model.metallb import (
    BFDProfile,
    BGPAdvertisement,
    BGPPeer,
    Community,
    L2Advertisement,
    ServiceBGPStatus,
    ServiceL2Status,
)

_NODE_SELECTORS = Column("Node Selectors", priority=10)


def _json(value: object) -> str:
    given = msgspec.to_builtins(value)
    return json.dumps(given, separators=(",", ":")) if given else ""


def _l2_advertisement(obj: L2Advertisement, now: float) -> tuple[object, ...]:
    spec = obj.spec
    cells = (spec.ip_address_pools, spec.ip_address_pool_selectors, spec.interfaces, spec.node_selectors)
    return obj.metadata.name, *map(_json, cells)


def _bgp_advertisement(obj: BGPAdvertisement, now: float) -> tuple[object, ...]:
    spec = obj.spec
    cells = (spec.ip_address_pools, spec.ip_address_pool_selectors, spec.peers, spec.node_selectors)
    return obj.metadata.name, *map(_json, cells)


def _community(obj: Community, now: float) -> tuple[object, ...]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


def _bfd_profile(obj: BFDProfile, now: float) -> tuple[object, ...]:
    spec = obj.spec
    return obj.metadata.name, spec.passive_mode, spec.transmit_interval, spec.receive_interval, spec.detect_multiplier


def _bgp_peer(obj: BGPPeer, now: float) -> tuple[object, ...]:
    spec = obj.spec
    multi_hops = "true" if spec.ebgp_multi_hop else ""
    return obj.metadata.name, spec.peer_address, str(spec.peer_asn or ""), spec.bfd_profile, multi_hops


def _service_status(obj: ServiceL2Status | ServiceBGPStatus, now: float) -> tuple[object, ...]:
    return obj.metadata.name, obj.status.node, obj.status.service_name, obj.status.service_namespace


LAYOUTS: Mapping[type[Object], Layout] = {
    L2Advertisement: Layout(
        (NAME, *plain("IPAddressPools", "IPAddressPool Selectors", "Interfaces"), _NODE_SELECTORS), _l2_advertisement
    ),
    BGPAdvertisement: Layout(
        (NAME, *plain("IPAddressPools", "IPAddressPool Selectors", "Peers"), _NODE_SELECTORS), _bgp_advertisement
    ),
    Community: Layout((NAME, AGE), _community),
    BFDProfile: Layout(
        (
            NAME,
            Column("Passive Mode", type="boolean"),
            *(Column(name, type="integer") for name in ("Transmit Interval", "Receive Interval", "Multiplier")),
        ),
        _bfd_profile,
    ),
    BGPPeer: Layout((NAME, *plain("Address", "ASN", "BFD Profile", "Multi Hops")), _bgp_peer),
    ServiceL2Status: Layout((NAME, *plain("Allocated Node", "Service Name", "Service Namespace")), _service_status),
    ServiceBGPStatus: Layout((NAME, *plain("Node", "Service Name", "Service Namespace")), _service_status),
}
