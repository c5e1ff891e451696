"""Formats of single values, in the words of apimachinery `util/validation`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.registry import formats

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("check", "value", "texts"),
    [
        (formats.dns_label, "a.b", ("must not contain dots",)),
        (formats.dns_label, "1a", ()),
        (formats.dns_subdomain, "a.b-c.1", ()),
        (formats.dns_subdomain, "A.b", (SUBDOMAIN,)),
        (formats.dns_subdomain, "", (SUBDOMAIN,)),
        (formats.qualified_name, "kubernetes.io/name", ()),
        (formats.qualified_name, "/name", ("prefix part must be non-empty",)),
        (formats.qualified_name, "a" * 64, ("name part must be no more than 63 bytes",)),
        (formats.label_value, "", ()),
        (formats.label_value, "-a", (VALUE,)),
        (formats.port_name, "http-2", ()),
        (formats.port_name, "-", ("must contain at least one letter (a-z)", "must not begin or end with a hyphen")),
        (formats.address, "::ffff", ()),
        (formats.address, "fe80::1%eth0", ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)),
        (formats.prefix, "10.0.0.7/8", ()),
        (formats.prefix, "10.0.0.7", ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)),
        (formats.endpoint_address, "ff02::1", ("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",)),
        (formats.endpoint_address, "239.0.0.1", ()),
    ],
)
def test_formats(check: formats.Format, value: str, texts: tuple[str, ...]) -> None:
    assert check(value) == texts


@pytest.mark.parametrize("value", ["a/b/c", "a b", "kubernetes.io/", "Ex.com/x"])
def test_malformed_keys(value: str) -> None:
    assert formats.qualified_name(value)


OCTETS = st.sampled_from(["0", "1", "10", "127", "169", "224", "254", "255", "256", "01", "", "-1", "\u0661"])


@given(st.lists(OCTETS, min_size=3, max_size=5).map(".".join))
def test_a_usual_ipv4_address_has_nothing_wrong(value: str) -> None:
    if formats.is_usual_ipv4(value):
        assert formats.endpoint_address(value) == ()
        assert str(formats.parsed_address(value)) == value


@pytest.mark.parametrize("value", ["10.0.0.1", "1.0.0.0", "255.255.255.255", "169.253.0.1", "224.0.1.1", "192.168.199.249"])
def test_usual_ipv4_addresses(value: str) -> None:
    assert formats.is_usual_ipv4(value)


@pytest.mark.parametrize(
    "value", ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "10.0.0.1\n", "10.0.0", "fd00::1", "010.0.0.1"]
)
def test_not_usual(value: str) -> None:
    assert not formats.is_usual_ipv4(value)
