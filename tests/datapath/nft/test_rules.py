from __future__ import annotations

import hashlib
from itertools import product

import pytest

from moorage.datapath.nft.chains import Pick
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.rules import chain_messages
from moorage.datapath.nft.spaces import Space
from moorage.model.net import Family

TABLE = Table(Family.IPV4, "moorage")


def test_a_chain_and_its_two_rules() -> None:
    made = chain_messages(TABLE, "pick-3")
    assert [each.data[4] for each in made] == [3, 6, 6]
    assert {each.what for each in made} == {"add chain pick-3 (IPv4)"}
    assert [word in each.data for each, word in zip(made[1:], (b"deliver\0", b"first\0"), strict=True)] == [True, True]


def test_masquerading_goes_on_to_the_same_pick() -> None:
    made = chain_messages(TABLE, "masq-pick-3")
    assert [each.data[4] for each in made] == [3, 6]
    assert b"pick-3\0" in made[1].data.replace(b"masq-pick-3", b"")


def test_traffic_of_the_node_goes_its_own_way() -> None:
    for name, rules in (("pick-2-inside-3", 3), ("pick-0-inside-3", 2)):
        made = chain_messages(TABLE, name)
        assert len(made) == 1 + rules
        assert sum(b"\0inside-pick-3\0" in each.data for each in made) == 2


def test_other_chains_are_not_made_here() -> None:
    with pytest.raises(ValueError, match="services is no chain that picks a backend"):
        chain_messages(TABLE, "services")


def test_whoever_changes_these_rules_raises_the_layout_number() -> None:
    """`ruleset._LAYOUT` counts the versions of these bytes; this is number 3."""
    ways = product(Space, (0, 2), (0, 60), (False, True))
    picks = [Pick(space, 3, inside, True, seconds, True, hashed) for space, inside, seconds, hashed in ways]
    made = [
        each.data
        for family in Family
        for name in dict.fromkeys(name for pick in picks for name in pick.needs)
        for each in chain_messages(Table(family, "moorage"), name)
    ]
    assert hashlib.sha256(b"".join(made)).hexdigest()[:16] == "3bba6df91d05a581"
