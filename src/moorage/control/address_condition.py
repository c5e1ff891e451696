"""The condition `moorage.dev/AddressAssigned` of a LoadBalancer Service: whether it has its address, and why not (KEP-1623)."""

from __future__ import annotations

import msgspec

from moorage.model.clock import timestamp
from moorage.model.reason import Reason
from moorage.model.service import Service, ServiceCondition

ADDRESS_ASSIGNED = "moorage.dev/AddressAssigned"


class Verdict(msgspec.Struct, frozen=True):
    """`message` is for people."""

    assigned: bool
    reason: Reason
    message: str


def conditions_with(service: Service, verdict: Verdict | None, now: float) -> tuple[ServiceCondition, ...] | None:
    """The conditions that the Service should have, None for those that it has. The verdict None takes ours away.

    Others' conditions stay as they are. The time of a transition changes only with the status.
    """
    before = service.status.conditions
    old = next((each for each in before if each.type == ADDRESS_ASSIGNED), None)
    others = tuple(each for each in before if each.type != ADDRESS_ASSIGNED)
    if verdict is None:
        return None if old is None else others
    status = "True" if verdict.assigned else "False"
    same = old is not None and old.status == status
    new = ServiceCondition(
        type=ADDRESS_ASSIGNED,
        status=status,
        observed_generation=service.metadata.generation,
        last_transition_time=old.last_transition_time if old is not None and same else timestamp(now),
        reason=verdict.reason.value,
        message=verdict.message,
    )
    if old == new:
        return None
    return tuple(new if each is old else each for each in before) if old is not None else (*others, new)
