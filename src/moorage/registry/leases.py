"""Lease. Source: `pkg/apis/coordination/validation/validation.go`, `pkg/registry/coordination/lease`."""

from __future__ import annotations

from moorage.model.cluster import Lease
from moorage.model.errors import FieldError, forbidden, invalid
from moorage.registry import formats
from moorage.registry.strategy import Strategy


class LeaseStrategy(Strategy[Lease]):
    """A Lease is a lock: it is never overwritten without knowing its last version."""

    create_on_update = True
    unconditional_update = False

    def validate(self, obj: Lease) -> list[FieldError]:
        spec = obj.spec
        times = {"spec.acquireTime": spec.acquire_time, "spec.renewTime": spec.renew_time}
        errors = [invalid(path, value, text) for path, value in times.items() if value for text in formats.time(value)]
        if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
            errors.append(invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0"))
        if spec.lease_transitions is not None and spec.lease_transitions < 0:
            errors.append(invalid("spec.leaseTransitions", spec.lease_transitions, "must be greater than or equal to 0"))
        if spec.preferred_holder and not spec.strategy:
            errors.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
        return errors
