from __future__ import annotations

from ipaddress import ip_network

import pytest

from moorage.datapath.nft.loopback import LOOPBACK, at_loopback, without_loopback


@pytest.mark.parametrize(
    ("served", "wanted", "rest"),
    [
        ((), False, []),
        (("192.0.2.0/24", "::1/128"), False, ["192.0.2.0/24", "::1/128"]),
        (("127.0.0.0/8", "::1/128", "192.0.2.1/32"), True, ["192.0.2.1/32", "::1/128"]),
        (("127.0.0.1/32",), True, []),
        (("126.0.0.0/7",), True, ["126.0.0.0/8"]),
    ],
)
def test_loopback_addresses_can_be_left_out(served: tuple[str, ...], wanted: bool, rest: list[str]) -> None:
    prefixes = [ip_network(each) for each in served]
    assert at_loopback(prefixes) is wanted
    assert [str(each) for each in without_loopback(prefixes)] == rest


def test_of_everything_all_but_loopback_is_left() -> None:
    rest = without_loopback([ip_network("0.0.0.0/0")])
    assert sum(each.num_addresses for each in rest) == 2**32 - 2**24
    assert not any(each.overlaps(LOOPBACK) for each in rest if each.version == 4)
