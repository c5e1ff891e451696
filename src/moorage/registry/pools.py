"""IPAddressPool. Source: MetalLB `internal/config` (parsing, overlap) and its validating webhook, and the CRD's schema."""

from __future__ import annotations

import msgspec

from moorage.allocate.pools import AddressSpan, Pool, overlaps, parse_span
from moorage.allocate.reservations import promises_of
from moorage.manifest.convert import load
from moorage.model.errors import FieldError, invalid, required
from moorage.model.kinds import IP_ADDRESS_POOLS
from moorage.model.lb import IPAddressPool, IPAddressPoolStatus
from moorage.registry.strategy import ReadView, Strategy


class PoolStrategy(Strategy[IPAddressPool]):
    """A custom resource upstream: its status has its own door for metadata too, and updates need a version."""

    unconditional_update = False
    counts_generations = True

    def prepare_create(self, obj: IPAddressPool) -> IPAddressPool:
        return msgspec.structs.replace(obj, status=IPAddressPoolStatus())

    def prepare_status(self, before: IPAddressPool, after: IPAddressPool) -> IPAddressPool:
        return msgspec.structs.replace(before, status=after.status)

    def validate(self, obj: IPAddressPool) -> list[FieldError]:
        errors = [] if obj.spec.addresses else [required("spec.addresses")]
        spans: list[AddressSpan] = []
        for index, text in enumerate(obj.spec.addresses):
            path = f"spec.addresses[{index}]"
            try:
                span = parse_span(text)
            except ValueError as error:
                errors.append(invalid(path, text, f"{error} in pool {_quoted(obj)}"))
                continue
            errors += [invalid(path, text, _overlap(obj, span, other)) for other in spans if span.overlaps(other)]
            spans.append(span)
        allocation = obj.spec.service_allocation
        if allocation is not None and allocation.priority < 0:
            errors.append(invalid("spec.serviceAllocation.priority", allocation.priority, "must be greater than or equal to 0"))
        return errors or _promises(obj)

    def validate_among(self, obj: IPAddressPool, view: ReadView) -> list[FieldError]:
        """No address belongs to two pools, in any namespace."""
        mine = Pool.of(obj)
        errors = []
        for record in view.list(IP_ADDRESS_POOLS.resource):
            other = load(IP_ADDRESS_POOLS, record.body)
            if record.key == obj.key or not isinstance(other, IPAddressPool):
                continue
            shared = overlaps(mine, Pool.of(other))
            if shared is not None:
                span, theirs = shared
                path = f"spec.addresses[{mine.spans.index(span)}]"
                errors.append(invalid(path, span.text, f'{_overlap(obj, span, theirs)} of pool "{record.key.name}"'))
        return errors


def _promises(obj: IPAddressPool) -> list[FieldError]:
    """What only Moorage has, as annotations: `moorage.dev/reservations` and `moorage.dev/retention`."""
    errors = []
    for each in promises_of(Pool.of(obj), obj.metadata.annotations).errors:
        name, _, detail = each.partition(": ")
        errors.append(invalid(f"metadata.annotations[{name}]", obj.metadata.annotations[name], detail))
    return errors


def _quoted(obj: IPAddressPool) -> str:
    return f'"{obj.metadata.name}"'


def _overlap(obj: IPAddressPool, span: AddressSpan, other: AddressSpan) -> str:
    return f'CIDR "{span.text}" in pool {_quoted(obj)} overlaps with already defined CIDR "{other.text}"'
