from __future__ import annotations

from moorage.table.ingress import ingress_addresses
from tests.table.objects import addresses, service, with_ingress


def test_ingress_addresses_in_order_each_once_without_what_is_none() -> None:
    of = service(type="LoadBalancer", ingress=("198.18.100.2", "198.18.100.1", "198.18.100.2", "198.18.100.300", ""))
    assert ingress_addresses(of) == addresses("198.18.100.2", "198.18.100.1")


def test_only_a_short_cut_leaves_out_proxy_mode() -> None:
    of = with_ingress(service(type="LoadBalancer"), {"ip": "198.18.100.1", "ipMode": "Proxy"})
    assert ingress_addresses(of) == addresses("198.18.100.1")
    assert ingress_addresses(of, short_cut=True) == ()
