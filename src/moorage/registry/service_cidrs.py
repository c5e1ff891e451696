"""ServiceCIDR: the ranges that ClusterIPs come from, and when one may go (KEP-1880).

A range is ready from its first moment, and is guarded by a finalizer. One that is being deleted gives no addresses, and goes in
the transaction in which the last address that only it contains is released, or in which another range contains all of it.
Source: `pkg/registry/networking/servicecidr`, `pkg/controller/servicecidrs`, `pkg/apis/networking/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from moorage.allocate.addresses import AddressRange, AddressRanges
from moorage.manifest.convert import load
from moorage.model.clock import timestamp
from moorage.model.errors import FieldError, invalid, required
from moorage.model.kinds import SERVICE_CIDRS
from moorage.model.net import Family
from moorage.model.service_cidrs import (
    DEFAULT_SERVICE_CIDR,
    READY,
    SERVICE_CIDR_FINALIZER,
    TERMINATING,
    ServiceCIDR,
    ServiceCIDRCondition,
    ServiceCIDRStatus,
    ready,
)
from moorage.registry.address_formats import canonical_prefix_errors, parse_prefix
from moorage.registry.service_allocation import CLUSTER_IPS
from moorage.registry.strategy import ReadView, Strategy

CIDRS = "spec.cidrs"
ONE_OF_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
IS_READY = "Kubernetes Service CIDR is ready"
IS_IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


class ServiceCIDRStrategy(Strategy[ServiceCIDR]):
    """Finalizer and the condition Ready are the server's own: an update of others leaves them as they are."""

    def prepare_create(self, obj: ServiceCIDR) -> ServiceCIDR:
        condition = ServiceCIDRCondition(
            type=READY, status="True", last_transition_time=obj.metadata.creation_timestamp, reason="", message=IS_READY
        )
        return msgspec.structs.replace(_guarded(obj), status=ServiceCIDRStatus(conditions=(condition,)))

    def prepare_update(self, before: ServiceCIDR, after: ServiceCIDR) -> ServiceCIDR:
        after = msgspec.structs.replace(after, status=before.status)
        return after if before.metadata.deletion_timestamp is not None else _guarded(after)

    def prepare_status(self, before: ServiceCIDR, after: ServiceCIDR) -> ServiceCIDR:
        own = [each for each in before.status.conditions if each.type == READY]
        others = [each for each in after.status.conditions if each.type != READY]
        meta = msgspec.structs.replace(before.metadata, managed_fields=after.metadata.managed_fields)
        return msgspec.structs.replace(before, metadata=meta, status=ServiceCIDRStatus(conditions=(*own, *others)))

    def validate(self, obj: ServiceCIDR) -> list[FieldError]:
        cidrs = obj.spec.cidrs
        if not cidrs:
            return [required(CIDRS, "at least one CIDR required")]
        if len(cidrs) > 2:
            return [invalid(CIDRS, {"CIDRs": list(cidrs)}, "may only hold up to 2 values")]
        errors = [
            invalid(f"{CIDRS}[{index}]", text, each)
            for index, text in enumerate(cidrs)
            for each in canonical_prefix_errors(text)
        ]
        parsed = [each.prefix.version for text in cidrs if (each := parse_prefix(text)) is not None]
        if len(parsed) == 2 and len(set(parsed)) == 1:
            errors.append(invalid(CIDRS, list(cidrs), ONE_OF_EACH))
        return errors

    def judge_update(self, before: ServiceCIDR, after: ServiceCIDR) -> list[FieldError]:
        """A second family may be added; nothing else changes."""
        old, new = before.spec.cidrs, after.spec.cidrs
        if len(new) != len(old) and (len(old), len(new)) != (1, 2):
            return [invalid(CIDRS, list(new), "field is immutable")]
        errors = [
            invalid(f"{CIDRS}[{index}]", new[index], "field is immutable")
            for index in range(len(old))
            if old[index] != new[index]
        ]
        return errors if len(old) == len(new) else [*errors, *self.validate(after)]


def ranges(view: ReadView, configured: tuple[AddressRange, ...]) -> Mapping[Family, AddressRanges]:
    """By family in the order of `configured`. Only the families that the server is configured for have any.

    Until the default ServiceCIDR exists, what is configured stands in for it.
    """
    return _ranges(tuple(record.body for record in view.list(SERVICE_CIDRS.resource)), configured)


@lru_cache(maxsize=16)
def _ranges(bodies: tuple[bytes, ...], configured: tuple[AddressRange, ...]) -> Mapping[Family, AddressRanges]:
    objects = sorted(map(_loaded, bodies), key=lambda each: (each.metadata.name != DEFAULT_SERVICE_CIDR, each.metadata.name))
    found = [each for obj in objects if _gives(obj) for each in _address_ranges(obj)]
    if all(each.metadata.name != DEFAULT_SERVICE_CIDR for each in objects):
        found = [*configured, *found]
    families = [Family.of(each.prefix) for each in configured]
    return {
        family: AddressRanges(tuple(dict.fromkeys(each for each in found if Family.of(each.prefix) is family)))
        for family in families
    }


def _gives(obj: ServiceCIDR) -> bool:
    return obj.metadata.deletion_timestamp is None and ready(obj.status.conditions)


def _address_ranges(obj: ServiceCIDR) -> Iterator[AddressRange]:
    """A prefix of IPv6 that is too short is a valid ServiceCIDR upstream, from which no address is given."""
    for text in obj.spec.cidrs:
        try:
            yield AddressRange.parse(text)
        except ValueError:
            continue


@lru_cache(maxsize=64)
def _loaded(body: bytes) -> ServiceCIDR:
    obj = load(SERVICE_CIDRS, body)
    assert isinstance(obj, ServiceCIDR)
    return obj


def judged(view: ReadView, now: float) -> Iterator[ServiceCIDR]:
    """The ServiceCIDRs in deletion that are to be written: without the finalizer where they may go, else with the reason.

    Only the addresses of Services keep a range, not those that somebody reserved with an IPAddress.
    """
    known = [_loaded(record.body) for record in view.list(SERVICE_CIDRS.resource)]
    for obj in known:
        if obj.metadata.deletion_timestamp is None or SERVICE_CIDR_FINALIZER not in obj.metadata.finalizers:
            continue
        others = [each for each in known if each.metadata.deletion_timestamp is None]
        addresses = [value for value, holder in view.held(CLUSTER_IPS).items() if "/" in holder]
        if _is_contained(obj, others) or not _is_needed(obj, others, addresses):
            finalizers = tuple(each for each in obj.metadata.finalizers if each != SERVICE_CIDR_FINALIZER)
            yield msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, finalizers=finalizers))
        elif ready(obj.status.conditions):
            yield _in_use(obj, now)


def _is_contained(obj: ServiceCIDR, others: Sequence[ServiceCIDR]) -> bool:
    """Whether every prefix lies in a prefix of another ServiceCIDR, so that its addresses do too."""
    theirs = [each for other in others for text in other.spec.cidrs if (each := parse_prefix(text)) is not None]
    mine = [each for text in obj.spec.cidrs if (each := parse_prefix(text)) is not None]
    return all(
        any(
            my.prefix.version == their.prefix.version
            and my.prefix.network_address in their.prefix
            and their.prefix.prefixlen <= my.prefix.prefixlen
            for their in theirs
        )
        for my in mine
    )


def _is_needed(obj: ServiceCIDR, others: Sequence[ServiceCIDR], addresses: Sequence[str]) -> bool:
    """Whether an address of a Service lies in it and in no other."""
    mine = tuple(_address_ranges(obj))
    theirs = tuple(each for other in others for each in _address_ranges(other))
    parsed = map(ip_address, addresses)
    return any(any(address in each for each in mine) and not any(address in each for each in theirs) for address in parsed)


def _in_use(obj: ServiceCIDR, now: float) -> ServiceCIDR:
    condition = ServiceCIDRCondition(
        type=READY, status="False", last_transition_time=timestamp(now), reason=TERMINATING, message=IS_IN_USE
    )
    others = tuple(each for each in obj.status.conditions if each.type != READY)
    return msgspec.structs.replace(obj, status=ServiceCIDRStatus(conditions=(condition, *others)))


def _guarded(obj: ServiceCIDR) -> ServiceCIDR:
    finalizers = obj.metadata.finalizers
    if SERVICE_CIDR_FINALIZER in finalizers:
        return obj
    meta = msgspec.structs.replace(obj.metadata, finalizers=(*finalizers, SERVICE_CIDR_FINALIZER))
    return msgspec.structs.replace(obj, metadata=meta)
