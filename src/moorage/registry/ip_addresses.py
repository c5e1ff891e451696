"""IPAddress: who has which ClusterIP, for everybody to read (KEP-1880).

The allocations of the store are the truth. For each one that a Service holds there is an IPAddress, written and removed in the
same transaction (`transaction.py`). An IPAddress that somebody makes by hand holds its address, so no Service gets it.
Source: `pkg/registry/networking/ipaddress/strategy.go`, `pkg/registry/core/service/ipallocator/ipallocator.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.model.errors import FieldError, already_exists, invalid, required
from moorage.model.kinds import IP_ADDRESSES, SERVICES
from moorage.model.meta import Key, ObjectMeta
from moorage.model.net import Family
from moorage.model.service_cidrs import (
    ADDRESS_MANAGED_BY_LABEL,
    ADDRESS_MANAGER,
    FAMILY_LABEL,
    IPAddress,
    IPAddressSpec,
    ParentReference,
)
from moorage.registry import formats, metadata
from moorage.registry.address_formats import canonical_address_errors, parse
from moorage.registry.service_allocation import CLUSTER_IPS
from moorage.registry.strategy import Allocation, Held, ReadView, Strategy

if TYPE_CHECKING:
    from random import Random

NAME_MAY_NOT_BE = (".", "..")
NAME_MAY_NOT_CONTAIN = ("/", "%")


class IPAddressStrategy(Strategy[IPAddress]):
    name_format = staticmethod(canonical_address_errors)

    def validate(self, obj: IPAddress) -> list[FieldError]:
        path, parent = "spec.parentRef", obj.spec.parent_ref
        if parent is None:
            return [required(path)]
        errors = []
        if parent.group:
            errors += [invalid(f"{path}.group", parent.group, each) for each in formats.dns_subdomain(parent.group)]
        for field, value in (("resource", parent.resource), ("name", parent.name), ("namespace", parent.namespace)):
            if value:
                errors += [invalid(f"{path}.{field}", value, each) for each in _path_segment(value)]
            elif field != "namespace":
                errors.append(required(f"{path}.{field}"))
        return errors

    def validate_update(self, before: IPAddress, after: IPAddress) -> list[FieldError]:
        if before.spec.parent_ref == after.spec.parent_ref:
            return []
        return [invalid("spec.parentRef", after.spec.parent_ref, "field is immutable")]

    def allocate(self, before: IPAddress | None, after: IPAddress, view: ReadView, random: Random) -> Allocation[IPAddress]:
        """Raises ApiError 409 where the address is held, though no IPAddress says so yet."""
        if before is not None:
            return Allocation(after)
        if view.holder(CLUSTER_IPS, after.metadata.name) is not None:
            raise already_exists(IP_ADDRESSES.plural, IP_ADDRESSES.group, after.metadata.name)
        return Allocation(after, takes=self.held(after))

    def held(self, obj: IPAddress) -> frozenset[Held]:
        """Its own address. Where a Service is the holder, it stays the holder."""
        return frozenset({Held(CLUSTER_IPS, obj.metadata.name)})


def record_of(address: str, service: Key, now: float, random: Random) -> IPAddress:
    """The IPAddress of a ClusterIP in its canonical text."""
    parsed = parse(address)
    assert parsed is not None, "what is held is an address"
    labels = {FAMILY_LABEL: Family.of(parsed.address).value, ADDRESS_MANAGED_BY_LABEL: ADDRESS_MANAGER}
    parent = ParentReference(resource=SERVICES.plural, namespace=service.namespace, name=service.name)
    return IPAddress(
        api_version=IP_ADDRESSES.api_version,
        kind=IP_ADDRESSES.kind,
        metadata=metadata.completed(ObjectMeta(name=address, labels=labels), now, random),
        spec=IPAddressSpec(parent_ref=parent),
    )


def _path_segment(value: str) -> list[str]:
    """Source: apimachinery `api/validate/content` IsPathSegmentName."""
    if value in NAME_MAY_NOT_BE:
        return [f"may not be '{value}'"]
    return [f"may not contain '{each}'" for each in NAME_MAY_NOT_CONTAIN if each in value]
