"""Services -> the addresses that the load balancer has to own on its network."""

from __future__ import annotations

from moorage.model.net import Address
from moorage.model.service import EDGE, Service, provider_of
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import ingress_addresses


def owned(snapshot: Snapshot) -> frozenset[Address]:
    """Every load-balancer address of the Services that the edge serves."""
    served = (each for each in snapshot.all(Service).values() if provider_of(each) == EDGE)
    return frozenset(address for service in served for address in ingress_addresses(service))
