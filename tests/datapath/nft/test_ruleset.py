from __future__ import annotations

import pytest

from moorage.datapath.nft.ruleset import MASQUERADE_MARK, layout, render
from moorage.model.net import Family


@pytest.mark.parametrize("family", Family)
def test_one_transaction_replaces_the_table(family: Family) -> None:
    ip = {"IPv4": "ip", "IPv6": "ip6"}[family.value]
    lines = render("moorage", family).splitlines()
    assert lines[:3] == [f"add table {ip} moorage", f"delete table {ip} moorage", f"table {ip} moorage {{"]
    assert lines[3] == f'    comment "{layout(family)}"'


def test_the_layout_tells_programs_apart() -> None:
    assert layout(Family.IPV4).startswith("moorage layout 3 ")
    assert layout(Family.IPV4) != layout(Family.IPV6)


def test_only_the_documented_bit_of_the_mark_is_touched() -> None:
    text = render("moorage", Family.IPV4)
    assert MASQUERADE_MARK == 0x4000
    assert "meta mark & 0x4000 == 0x4000 meta mark set meta mark & 0xffffbfff masquerade" in text
    assert "fully-random" not in text


@pytest.mark.parametrize(("family", "pairs"), [(Family.IPV4, 4), (Family.IPV6, 16)])
def test_a_hairpin_compares_every_byte_of_both_addresses(family: Family, pairs: int) -> None:
    (line,) = [each for each in render("moorage", family).splitlines() if "@equal_bytes" in each]
    assert line.count("@equal_bytes") == pairs
    first = "@nh,120,8 . @nh,152,8" if family is Family.IPV4 else "@nh,184,8 . @nh,312,8"
    assert first in line
