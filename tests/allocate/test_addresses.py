"""ClusterIP ranges. Rows name their source."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import pytest

from moorage.allocate.addresses import AddressRange, AddressRanges

OUTSIDE = "the provided network does not match the current range"


def ranges(*cidrs: str) -> AddressRanges:
    return AddressRanges(tuple(map(AddressRange.parse, cidrs)))


@pytest.mark.parametrize(
    ("cidr", "size", "band"),
    [
        ("10.96.0.0/16", 65534, 256),  # KEP-3070: min(max(16, 65536/16), 256)
        ("10.96.0.0/20", 4094, 256),
        ("10.96.0.0/24", 254, 16),
        ("10.96.0.0/28", 14, 0),  # calculateRangeOffset: no band for 16 addresses or fewer
        ("10.96.0.0/27", 30, 16),
        ("10.96.0.0/30", 2, 0),
        ("10.96.0.0/32", 0, 0),
        ("fd00:10:96::/122", 63, 16),
        ("fd00:10:96::/124", 15, 0),
        ("fd00:10:96::/112", 65535, 256),  # IPv6 has no broadcast address
        ("fd00:10:96::/64", 2**64 - 1, 256),
    ],
)
def test_size_and_static_band(cidr: str, size: int, band: int) -> None:
    found = AddressRange.parse(cidr)
    assert (found.size, found.static_band) == (size, band)


def test_network_and_broadcast_are_never_given() -> None:
    found = AddressRange.parse("10.96.0.0/29")
    taken: set[str] = set()
    while (address := found.pick(taken.__contains__, Random(1))) is not None:
        taken.add(address)
    assert taken == {f"10.96.0.{last}" for last in range(1, 7)}


def test_dynamic_addresses_avoid_the_band() -> None:
    found = AddressRange.parse("10.96.0.0/24")
    random = Random(3)
    picked = {found.pick(lambda _: False, random) for _ in range(300)}
    assert all(each is not None and int(ip_address(each)) - int(ip_address("10.96.0.0")) > 16 for each in picked)


def test_an_ipv6_range_is_drawn_from_without_listing_it() -> None:
    found = AddressRange.parse("fd00:10:96::/64")
    picked = found.pick(lambda _: False, Random(1))
    assert picked is not None
    assert ip_address(picked) in found


@pytest.mark.parametrize(
    ("asked", "taken", "refusal"),
    [
        ("10.96.0.10", False, None),
        ("10.96.0.10", True, "provided IP is already allocated"),
        ("10.96.0.0", False, OUTSIDE),  # PrefixContainsIP: a range does not have its first address,
        ("10.96.0.255", False, OUTSIDE),  # nor for IPv4 its last
        ("10.98.0.255", False, None),  # the last of a /24 that is within a /16
        ("10.97.0.1", False, OUTSIDE),
        ("::1", False, OUTSIDE),
    ],
)
def test_static_wishes(asked: str, taken: bool, refusal: str | None) -> None:
    """MetaAllocator.AllocateService: any range that contains the address will do."""
    assert ranges("10.96.0.0/24", "10.98.0.0/24", "10.98.0.0/16").refusal(asked, lambda _: taken) == refusal


def test_ranges_are_used_up_in_order() -> None:
    """MetaAllocator.AllocateNextService: the next range is asked when one is full. An overlap is counted once."""
    found = ranges("10.96.0.0/30", "10.96.0.0/29", "10.97.0.0/30")
    taken: list[str] = []
    while (address := found.pick(taken.__contains__, Random(1))) is not None:
        taken.append(address)
    assert {*taken[:2]} == {"10.96.0.1", "10.96.0.2"}
    assert {*taken[2:6]} == {"10.96.0.3", "10.96.0.4", "10.96.0.5", "10.96.0.6"}
    assert {*taken[6:]} == {"10.97.0.1", "10.97.0.2"}


def test_no_ranges_have_nothing() -> None:
    assert ranges().pick(lambda _: False, Random(1)) is None
    assert ranges().refusal("10.96.0.1", lambda _: False) == OUTSIDE


def test_an_ipv6_prefix_may_be_too_short() -> None:
    """NewIPAllocator."""
    with pytest.raises(ValueError, match="shortest allowed prefix length for service CIDR is 64, got 63"):
        AddressRange.parse("fd00:10:96::/63")


@pytest.mark.parametrize("text", ["10.96.0.1/16", "10.96.0.0/33", "services"])
def test_a_malformed_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        AddressRange.parse(text)
