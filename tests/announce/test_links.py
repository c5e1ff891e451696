from __future__ import annotations

from ipaddress import ip_address, ip_network

from moorage.announce.links import Links

LINKS = Links(
    {"eth0": (ip_network("192.0.2.0/24"),), "eth1": (ip_network("198.51.100.0/24"), ip_network("2001:db8::/64"))},
    {ip_address("192.0.2.11"): "eth0", ip_address("198.51.100.11"): "eth1"},
)


def test_where_the_address_is_on_the_network_and_where_the_others_are_met() -> None:
    met = (ip_address("198.51.100.11"),)
    assert LINKS.fitting(ip_address("192.0.2.200"), met) == ("eth0", "eth1")
    assert LINKS.fitting(ip_address("2001:db8::9"), met) == ("eth1",)
    assert LINKS.fitting(ip_address("203.0.113.9"), met) == ("eth1",)
    assert LINKS.fitting(ip_address("203.0.113.9"), ()) == ()
