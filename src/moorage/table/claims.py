"""Frontends that Services want -> those each gets: an address belongs to the oldest Service that claims it.

Kubernetes keeps ClusterIPs and NodePorts apart by allocation; external and load-balancer addresses can collide.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.table.types import Frontend, FrontendAddress, TableNote

_NEVER = "9999"


class Granted(msgspec.Struct, frozen=True):
    """What a Service gets. `frontends` is the very tuple that was claimed where nothing is withheld."""

    frontends: tuple[Frontend, ...]
    notes: tuple[TableNote, ...] = ()


class _Claim(msgspec.Struct, frozen=True):
    seniority: tuple[str, Key]
    frontends: tuple[Frontend, ...]


class Claims:
    """The claims of all Services. The outcome does not depend on the order in which they were made."""

    def __init__(self) -> None:
        self._claims: dict[Key, _Claim] = {}
        self._rivals: dict[FrontendAddress, set[Key]] = {}

    def put(self, service: Service, frontends: tuple[Frontend, ...]) -> set[Key]:
        """Sets what the Service claims; the result names the other Services whose grant may have changed by it."""
        seniority = (service.metadata.creation_timestamp or _NEVER, service.key)
        return self._replace(service.key, _Claim(seniority, frontends) if frontends else None)

    def drop(self, key: Key) -> set[Key]:
        """Forgets the Service; the result is as for `put`."""
        return self._replace(key, None)

    def granted(self, key: Key) -> Granted:
        """What the Service gets now."""
        claim = self._claims.get(key)
        if claim is None:
            return Granted(())
        lost = {}
        for frontend in claim.frontends:
            if (owner := self._owner(frontend.match.claim)) != key:
                lost[frontend.match] = owner
        if not lost:
            return Granted(claim.frontends)
        kept = tuple(each for each in claim.frontends if each.match not in lost)
        return Granted(kept, tuple(_note(match, owner) for match, owner in lost.items()))

    def _owner(self, match: FrontendAddress) -> Key:
        rivals = self._rivals[match]
        if len(rivals) == 1:
            return next(iter(rivals))
        return min(rivals, key=lambda each: self._claims[each].seniority)

    def _replace(self, key: Key, claim: _Claim | None) -> set[Key]:
        before = self._claims.pop(key, None)
        if claim is not None:
            self._claims[key] = claim
        if before and claim and before.seniority == claim.seniority and _same_addresses(before.frontends, claim.frontends):
            return set()
        affected: set[Key] = set()
        for frontend in before.frontends if before else ():
            affected |= self._rivals[frontend.match.claim]
            self._rivals[frontend.match.claim].discard(key)
        for frontend in claim.frontends if claim else ():
            rivals = self._rivals.setdefault(frontend.match.claim, set())
            affected |= rivals
            rivals.add(key)
        for frontend in before.frontends if before else ():
            if not self._rivals.get(frontend.match.claim, True):
                del self._rivals[frontend.match.claim]
        affected.discard(key)
        return affected


def _same_addresses(one: tuple[Frontend, ...], other: tuple[Frontend, ...]) -> bool:
    return len(one) == len(other) and all(a.match == b.match for a, b in zip(one, other, strict=True))


def _note(match: FrontendAddress, owner: Key) -> TableNote:
    return TableNote(Reason.DUPLICATE_FRONTEND, f"{match} belongs to the older Service {owner}")


def verdict(notes: Iterable[TableNote]) -> Reason | None:
    """The gravest of the reasons: what is withheld comes before what is done differently than asked."""
    ordered = sorted(notes, key=lambda each: each.reason is Reason.UNSUPPORTED)
    return ordered[0].reason if ordered else None
