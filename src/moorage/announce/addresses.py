"""Services -> the addresses that load balancers in front of the cluster have to own on their network."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.service import EDGE, Service, provider_of
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import ingress_addresses


def owned(snapshot: Snapshot) -> Mapping[Address, tuple[Key, ...]]:
    """Every load-balancer address of the Services that edges serve, and those Services."""
    found: dict[Address, tuple[Key, ...]] = {}
    for key, service in sorted(snapshot.all(Service).items()):
        if provider_of(service) == EDGE:
            for address in ingress_addresses(service):
                found[address] = (*found.get(address, ()), key)
    return found
