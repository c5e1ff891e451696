from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.model.net import Family, pack_address, parse_address


@given(st.ip_addresses())
def test_addresses_are_read_as_they_are_written(address: IPv4Address | IPv6Address) -> None:
    family = Family.of(address)
    (other,) = set(Family) - {family}
    assert parse_address(str(address)) == address
    assert pack_address(str(address), family) == address.packed
    assert pack_address(str(address), other) is None


@given(st.text(st.sampled_from("0123456789abcf.:%/ \0x\uff11"), max_size=24))
def test_what_is_no_address_is_none(text: str) -> None:
    """As `ipaddress` sees it, which also takes zones."""
    try:
        expected = None if "%" in text else ip_address(text)
    except ValueError:
        expected = None
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.01", "10.0.0.256", " 10.0.0.1", "10.0.0.1\0", "fe80::1%eth0", "::1/128"]
)
def test_leading_zeros_zones_and_lengths_are_refused(text: str) -> None:
    assert parse_address(text) is None
