from __future__ import annotations

import itertools

import pytest

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.table.claims import Claims, verdict
from moorage.table.types import AddressKind, Choice, Frontend, FrontendAddress, TableNote
from tests.table.objects import ip, service, simple

SHARED, OWN = (simple(address, AddressKind.EXTERNAL_IP) for address in ("203.0.113.1", "203.0.113.2"))
OLD = service("old", created="2026-01-01T00:00:00Z")
NEW = service("new", created="2026-01-02T00:00:00Z")
NAMESAKE = service("aaa", created="2026-01-02T00:00:00Z")
WANTS: dict[Key, tuple[Service, tuple[Frontend, ...]]] = {
    OLD.key: (OLD, (SHARED,)),
    NEW.key: (NEW, (SHARED, OWN)),
    NAMESAKE.key: (NAMESAKE, (SHARED,)),
}


@pytest.mark.parametrize("order", list(itertools.permutations(WANTS)))
def test_the_older_service_wins_in_any_order_and_names_decide_between_equals(order: tuple[Key, ...]) -> None:
    claims = Claims()
    for key in order:
        claims.put(*WANTS[key])
    assert claims.granted(OLD.key).frontends is WANTS[OLD.key][1]
    lost = claims.granted(NEW.key)
    assert lost.frontends == (OWN,)
    assert lost.notes == (TableNote(Reason.DUPLICATE_FRONTEND, "203.0.113.1:80/tcp belongs to the older Service default/old"),)
    assert claims.drop(OLD.key) == {NEW.key, NAMESAKE.key}
    assert claims.granted(NAMESAKE.key).frontends == (SHARED,)
    assert claims.granted(NEW.key).frontends == (OWN,)
    assert claims.granted(OLD.key).frontends == ()


def test_only_a_change_of_addresses_or_age_concerns_others() -> None:
    claims = Claims()
    assert claims.put(OLD, (SHARED,)) == set()
    assert claims.put(NEW, (SHARED, OWN)) == {OLD.key}
    changed = Frontend(SHARED.match, AddressKind.EXTERNAL_IP, Choice(), masquerade=True)
    assert claims.put(OLD, (changed,)) == set()
    assert claims.put(OLD, (OWN,)) == {NEW.key}
    assert claims.granted(NEW.key).frontends == (SHARED,)
    assert claims.put(service("old", created="2026-01-03T00:00:00Z"), (OWN,)) == {NEW.key}
    assert claims.granted(NEW.key).frontends == (SHARED, OWN)


def test_a_service_without_a_creation_time_is_the_youngest() -> None:
    claims = Claims()
    claims.put(service("ageless", created=""), (SHARED,))
    claims.put(NEW, (SHARED,))
    assert claims.granted(NEW.key).frontends == (SHARED,)


def test_dropping_what_is_not_there_is_no_error() -> None:
    assert Claims().drop(Key("default", "web")) == set()


def test_the_verdict_is_the_gravest_reason() -> None:
    softer, graver = TableNote(Reason.UNSUPPORTED, ""), TableNote(Reason.DUPLICATE_FRONTEND, "")
    assert verdict(()) is None
    assert verdict((softer,)) is Reason.UNSUPPORTED
    assert verdict((softer, graver)) is Reason.DUPLICATE_FRONTEND


def test_ranges_of_one_address_and_protocol_belong_to_one_service() -> None:
    def ranged(first: int, last: int, protocol: Protocol = Protocol.UDP) -> Frontend:
        match = FrontendAddress(ip("203.0.113.1"), protocol, first, last)
        return Frontend(match, AddressKind.LOAD_BALANCER, Choice())

    claims = Claims()
    claims.put(OLD, (ranged(1000, 1999),))
    claims.put(NEW, (ranged(3000, 3999), ranged(3000, 3999, Protocol.TCP), SHARED))
    lost = claims.granted(NEW.key)
    assert lost.frontends == (ranged(3000, 3999, Protocol.TCP), SHARED)
    assert lost.notes[0].message == "203.0.113.1:3000-3999/udp belongs to the older Service default/old"
