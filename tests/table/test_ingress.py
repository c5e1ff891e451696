from __future__ import annotations

import pytest

from moorage.table.ingress import ingress_addresses, serves
from tests.table.objects import addresses, service, with_ingress


def test_ingress_addresses_in_order_each_once_without_what_is_none() -> None:
    of = service(type="LoadBalancer", ingress=("198.18.100.2", "198.18.100.1", "198.18.100.2", "198.18.100.300", ""))
    assert ingress_addresses(of) == addresses("198.18.100.2", "198.18.100.1")


def test_only_a_short_cut_leaves_out_proxy_mode() -> None:
    of = with_ingress(service(type="LoadBalancer"), {"ip": "198.18.100.1", "ipMode": "Proxy"})
    assert ingress_addresses(of) == addresses("198.18.100.1")
    assert ingress_addresses(of, short_cut=True) == ()


@pytest.mark.parametrize(
    ("type_", "asked", "ours", "expected"),
    [
        ("LoadBalancer", None, "", True),
        ("LoadBalancer", None, "moorage.dev/edge", True),
        ("LoadBalancer", "moorage.dev/edge", "moorage.dev/edge", True),
        ("LoadBalancer", "other.example/lb", "moorage.dev/edge", False),
        ("LoadBalancer", "other.example/lb", "", False),
        ("NodePort", None, "", False),
    ],
)
def test_who_serves(type_: str, asked: str | None, ours: str, expected: bool) -> None:
    assert serves(service(type=type_, loadBalancerClass=asked), ours) is expected
