"""Services -> the addresses that the load balancer has to own on its network."""

from __future__ import annotations

from moorage.model.net import Address
from moorage.model.service import Service
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import ingress_addresses, serves


def owned(snapshot: Snapshot, load_balancer_class: str = "") -> frozenset[Address]:
    """Every load-balancer address of the Services that the balancer of that class serves, those without a class included."""
    served = (each for each in snapshot.all(Service).values() if serves(each, load_balancer_class))
    return frozenset(address for service in served for address in ingress_addresses(service))
