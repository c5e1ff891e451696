from __future__ import annotations

import hashlib

import pytest

from moorage.datapath.nft.chains import chain_messages
from moorage.datapath.nft.messages import Table
from moorage.model.net import Family

TABLE = Table(Family.IPV4, "moorage")


def test_a_chain_and_its_two_rules() -> None:
    made = chain_messages(TABLE, "pick-3")
    assert [each.data[4] for each in made] == [3, 6, 6]
    assert {each.what for each in made} == {"add chain pick-3 (IPv4)"}
    assert b"backends\0" in made[1].data
    assert b"first-slot\0" in made[2].data


def test_masquerading_goes_on_to_the_same_pick() -> None:
    made = chain_messages(TABLE, "masq-pick-3")
    assert [each.data[4] for each in made] == [3, 6]
    assert b"pick-3\0" in made[1].data.replace(b"masq-pick-3", b"")


def test_other_chains_are_not_made_here() -> None:
    with pytest.raises(ValueError, match="services is no pick chain"):
        chain_messages(TABLE, "services")


def test_whoever_changes_these_rules_raises_the_layout_number() -> None:
    """`ruleset._LAYOUT` counts the versions of these bytes; this is number 1."""
    made = [
        each.data
        for family in Family
        for name in ("pick-3", "masq-pick-3")
        for each in chain_messages(Table(family, "moorage"), name)
    ]
    assert hashlib.sha256(b"".join(made)).hexdigest()[:16] == "87eba5de88ed82e6"
