"""Load-balancer pools, as MetalLB reads them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.allocate.pools import AddressSpan, Pool, is_buggy, overlaps, parse_span
from moorage.model.lb import IPAddressPool, IPAddressPoolSpec
from moorage.model.meta import Key, ObjectMeta
from moorage.model.net import Address, Family


def pool(*addresses: str, avoid_buggy: bool = False) -> Pool:
    spec = IPAddressPoolSpec(addresses=addresses, avoid_buggy_ips=avoid_buggy)
    return Pool.of(IPAddressPool(metadata=ObjectMeta(namespace="lb", name="main"), spec=spec))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("198.18.100.0/24", "198.18.100.0", "198.18.100.255"),
        ("198.18.100.7/24", "198.18.100.0", "198.18.100.255"),  # net.ParseCIDR masks host bits
        ("198.18.100.1-198.18.100.254", "198.18.100.1", "198.18.100.254"),
        ("198.18.100.1 - 198.18.100.2", "198.18.100.1", "198.18.100.2"),
        ("fd00::/126", "fd00::", "fd00::3"),
    ],
)
def test_addresses_are_prefixes_or_ranges(text: str, first: str, last: str) -> None:
    assert parse_span(text) == AddressSpan(ip_address(first), ip_address(last), text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", 'invalid CIDR "nonsense"'),
        ("10.0.0.1", 'invalid CIDR "10.0.0.1"'),
        ("10.0.0.0/40", 'invalid CIDR "10.0.0.0/40"'),
        ("10.0.0.x-10.0.0.9", 'invalid IP range "10.0.0.x-10.0.0.9": invalid start IP "10.0.0.x"'),
        ("10.0.0.1-", 'invalid IP range "10.0.0.1-": invalid end IP ""'),
        ("10.0.0.9-10.0.0.1", 'invalid IP range "10.0.0.9-10.0.0.1": start IP "10.0.0.9" is after the end IP "10.0.0.1"'),
        ("10.0.0.1-fd00::1", 'invalid IP range "10.0.0.1-fd00::1": start and end are of different families'),
    ],
)
def test_malformed_addresses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="invalid") as caught:
        parse_span(text)
    assert str(caught.value) == message


def test_the_lowest_free_address_is_picked() -> None:
    found = pool("10.0.0.1-10.0.0.3", "10.0.1.0/31")
    taken: list[Address] = []
    while (address := found.pick(Family.IPV4, taken.__contains__)) is not None:
        taken.append(address)
    assert [str(each) for each in taken] == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.0", "10.0.1.1"]


def test_a_family_that_the_pool_lacks_gives_nothing() -> None:
    assert pool("10.0.0.0/24").pick(Family.IPV6, lambda _: False) is None


def test_buggy_addresses_are_passed_over() -> None:
    found = pool("10.0.0.254-10.0.1.1", avoid_buggy=True)
    assert str(found.pick(Family.IPV4, lambda _: False)) == "10.0.0.254"
    assert str(found.pick(Family.IPV4, lambda each: each == ip_address("10.0.0.254"))) == "10.0.1.1"
    assert not found.usable(ip_address("10.0.0.255"))
    assert found.usable(ip_address("10.0.1.1"))
    assert found.capacity(Family.IPV4) == 2


@given(st.integers(0, 2**32 - 1000), st.integers(0, 999))
def test_capacity_counts_what_pick_gives(start: int, length: int) -> None:
    span = AddressSpan(ip_address(start), ip_address(start + length), "range")
    found = Pool(Key("", "p"), (span,), avoid_buggy=True)
    if span.family is Family.IPV4:
        assert found.capacity(Family.IPV4) == sum(not is_buggy(each) for each in span.addresses())


def test_an_ipv6_pool_is_never_listed() -> None:
    found = pool("fd00::/64", avoid_buggy=True)
    assert str(found.pick(Family.IPV6, lambda _: False)) == "fd00::"
    assert found.capacity(Family.IPV6) == 2**64
    assert found.usable(ip_network("fd00::/64").broadcast_address)


def test_auto_assign_is_true_unless_false() -> None:
    spec = IPAddressPoolSpec(addresses=("10.0.0.0/24",), auto_assign=False)
    assert not Pool.of(IPAddressPool(spec=spec)).auto_assign
    assert pool("10.0.0.0/24").auto_assign


def test_overlap_names_both_texts() -> None:
    shared = overlaps(pool("10.1.0.0/16", "10.0.0.0/24"), pool("10.0.0.200-10.0.0.201"))
    assert shared is not None
    assert [each.text for each in shared] == ["10.0.0.0/24", "10.0.0.200-10.0.0.201"]
    assert overlaps(pool("10.0.0.0/24"), pool("10.0.1.0/24", "fd00::/8")) is None
