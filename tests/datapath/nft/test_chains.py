from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.datapath.nft.chains import (
    INSIDE,
    AssignChain,
    DrawChain,
    GuardChain,
    KnownChain,
    MasqueradeChain,
    Pick,
    SplitChain,
    read_chain,
)
from moorage.datapath.nft.spaces import Space

PICKS = st.builds(
    Pick,
    st.sampled_from(Space),
    st.integers(0, 40000),
    st.integers(0, 400),
    st.booleans(),
    st.sampled_from([0, 1, 10800]),
    st.booleans(),
    st.booleans(),
).filter(lambda pick: bool(pick.outside or pick.inside))


@given(PICKS)
def test_names_mean_what_they_say(pick: Pick) -> None:
    assert pick.needs[-1] == pick.name
    assert all(read_chain(name) for name in pick.needs)


@given(PICKS)
def test_a_chain_leads_only_to_chains_that_were_made_before(pick: Pick) -> None:
    made: set[str] = set()
    for name in pick.needs:
        match read_chain(name):
            case MasqueradeChain(rest) | GuardChain(_, rest):
                assert rest in made
            case SplitChain(inside, outside):
                assert inside in made
                assert not outside or outside in made
            case DrawChain(space, _, _, seconds) if seconds:
                assert {space.chain(f"known-{seconds}"), space.chain(f"assign-{seconds}")} <= made
        made.add(name)


@pytest.mark.parametrize(
    ("pick", "needs"),
    [
        (Pick(Space.ADDRESS, 3), ["pick-3"]),
        (Pick(Space.ADDRESS, 3, masquerade=True), ["pick-3", "masq-pick-3"]),
        (Pick(Space.ADDRESS, 251, masquerade=True, hashed=True), ["hash-251", "masq-hash-251"]),
        (Pick(Space.NODE_PORT, 0, 2), ["node-port-inside-pick-2", "node-port-pick-0-inside-2"]),
        (
            Pick(Space.RANGE, 1, 2, False, 60),
            [
                "range-known-60",
                "range-assign-60",
                "range-pick-1-keep-60",
                "range-inside-pick-2-keep-60",
                "range-pick-1-inside-2-keep-60",
            ],
        ),
    ],
)
def test_what_a_frontend_needs(pick: Pick, needs: list[str]) -> None:
    assert list(pick.needs) == needs


def test_what_chains_do() -> None:
    assert read_chain("pick-3") == DrawChain(Space.ADDRESS, 3, 0, 0)
    assert read_chain("range-hash-251") == DrawChain(Space.RANGE, 251, 0, 0, True)
    assert read_chain("hash-2-inside-3-keep-60") == SplitChain("inside-hash-3-keep-60", "hash-2-keep-60")
    assert read_chain("node-port-inside-pick-3-keep-60") == DrawChain(Space.NODE_PORT, 3, INSIDE, 60)
    assert read_chain("range-masq-pick-3-keep-60") == MasqueradeChain("range-pick-3-keep-60")
    assert read_chain("node-port-guarded-masq-pick-3") == GuardChain(Space.NODE_PORT, "node-port-masq-pick-3")
    assert read_chain("guarded-pick-0") == GuardChain(Space.ADDRESS, "")
    assert read_chain("pick-0-inside-2") == SplitChain("inside-pick-2", "")
    assert read_chain("node-port-known-60") == KnownChain(Space.NODE_PORT, 60)
    assert read_chain("assign-60") == AssignChain(Space.ADDRESS, 60)


@pytest.mark.parametrize(
    "name", ["services", "pick-", "pick-x", "masq-pick-", "pick-0", "deliver", "pick-3-keep-", "known-", "hash-", "hash-0"]
)
def test_other_chains_are_not_ours(name: str) -> None:
    assert read_chain(name) is None
