"""What a voter grants: an address to one name at a time, for UP after it heard of it."""

from __future__ import annotations

from moorage.announce.grants import Grants, Record
from moorage.announce.timing import UP

A, B = b"\xc6\x33\x64\x01", b"\xc6\x33\x64\x02"
START = 100.0
SOON = START + UP


def renewed(grants: Grants, name: str, now: float, *claims: bytes, incarnation: int = 1, generation: int = 1) -> Record:
    record = grants.hear(name, incarnation, now, now)
    assert record is not None
    grants.renew(name, record, now, now, generation, claims)
    return record


def test_an_address_goes_to_who_asks_first() -> None:
    grants = Grants(START)
    assert renewed(grants, "one", SOON, A, B).granted == {A, B}
    other = renewed(grants, "two", SOON + 0.1, A)
    assert (other.granted, other.refused) == (set(), {A})


def test_nothing_is_granted_until_the_grants_of_an_earlier_run_have_ended() -> None:
    grants = Grants(START)
    assert renewed(grants, "one", SOON - 0.01, A).refused == {A}
    assert renewed(grants, "one", SOON, A).granted == {A}


def test_what_is_released_goes_to_who_waits() -> None:
    grants = Grants(START)
    one = renewed(grants, "one", SOON, A, B)
    two = renewed(grants, "two", SOON + 0.1, A)
    assert grants.renew("one", one, SOON + 0.2, SOON + 0.2, 2, [B])
    assert grants.retry(SOON + 0.2) == ["two"]
    assert two.granted == {A}
    assert grants.retry(SOON + 0.3) == []


def test_what_is_not_renewed_goes_to_who_asks_next_and_is_refused_to_who_comes_back() -> None:
    grants = Grants(START)
    one = renewed(grants, "one", SOON, A)
    assert renewed(grants, "two", SOON + UP - 0.01, A).refused == {A}
    assert renewed(grants, "two", SOON + UP, A).granted == {A}
    assert grants.renew("one", one, SOON + UP + 0.1, SOON + UP + 0.1, 1, None) is False
    assert (one.granted, one.refused) == (set(), {A})


def test_another_run_of_a_speaker_has_what_the_one_before_had_and_nobody_else_does() -> None:
    grants = Grants(START)
    renewed(grants, "one", SOON, A)
    assert renewed(grants, "one", SOON + 0.1, incarnation=2).granted == set()
    assert renewed(grants, "two", SOON + 0.2, A).refused == {A}
    assert renewed(grants, "one", SOON + 0.3, A, incarnation=2, generation=2).granted == {A}


def test_the_grants_of_the_run_before_end_in_time() -> None:
    grants = Grants(START)
    renewed(grants, "one", SOON, A)
    renewed(grants, "one", SOON + 0.1, incarnation=2)
    grants.forget(SOON + UP)
    assert renewed(grants, "two", SOON + UP, A).granted == {A}


def test_a_message_that_another_overtook_says_nothing() -> None:
    grants = Grants(START)
    renewed(grants, "one", SOON + 0.1, A)
    assert grants.hear("one", 1, SOON, SOON + 0.2) is None


def test_what_has_long_ended_is_forgotten() -> None:
    grants = Grants(START)
    renewed(grants, "one", SOON, A)
    grants.forget(SOON + 1000 * UP)
    assert grants.records == {}
    assert grants.owners == {}
