from __future__ import annotations

import pytest

from moorage.table.source_ranges import source_ranges
from moorage.table.types import TableNote
from tests.table.objects import addresses, ip, net, service

VIP, VIP6 = ip("198.18.100.1"), ip("2001:db8::1")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ()),
        (["192.0.2.0/24", " 198.51.100.0/24 "], ("192.0.2.0/24", "198.51.100.0/24")),
        (["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32"], ("192.0.2.0/24",)),
        (["192.0.2.9/24"], ("192.0.2.0/24",)),
        (["192.0.2.0/24", "0.0.0.0/0"], ()),
        (["2001:db8:1::/48"], ()),
        (["nonsense", "192.0.2.0/24"], ("192.0.2.0/24",)),
        (["nonsense"], ("0.0.0.0/32",)),
        (["192.168.0.0/16"], ("192.168.0.0/16", "198.18.100.1/32")),
    ],
)
def test_who_is_let_in(texts: list[str], expected: tuple[str, ...]) -> None:
    of = service(type="LoadBalancer", loadBalancerSourceRanges=texts)
    assert source_ranges(of, VIP, addresses("192.168.0.1"), []) == tuple(map(net, expected))


def test_each_family_has_its_own_ranges() -> None:
    of = service(type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24", "2001:db8:1::/48", "fd01::/16"])
    assert source_ranges(of, VIP6, addresses("192.0.2.1", "fd01::1"), []) == (
        net("2001:db8::1/128"),
        net("2001:db8:1::/48"),
        net("fd01::/16"),
    )


def test_what_is_no_range_is_noted() -> None:
    notes: list[TableNote] = []
    source_ranges(service(loadBalancerSourceRanges=["192.0.2.0/24", "10.0.0.0/33"]), VIP, (), notes)
    assert [note.message for note in notes] == ['spec.loadBalancerSourceRanges[1]: "10.0.0.0/33" is no range of addresses']
