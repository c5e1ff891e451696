"""Addresses and prefixes as text. Source: apimachinery `util/validation/ip.go` and its test, strict validation on."""

from __future__ import annotations

import pytest

from moorage.registry.address_formats import (
    NO_ADDRESS,
    NO_PREFIX,
    address_errors,
    address_warnings,
    canonical_address_errors,
    canonical_prefix_errors,
    prefix_errors,
    prefix_warnings,
)

ZEROS = "must not have leading 0s"
MAPPED = "must not be an IPv4-mapped IPv6 address"
PREFIX_ZEROS = "must not have leading 0s in IP or prefix length"
PREFIX_MAPPED = "must not have an IPv4-mapped IPv6 address"
HOST_BITS = "must not have bits set beyond the prefix length"


@pytest.mark.parametrize(
    ("text", "errors", "canonical"),
    [
        ("10.9.8.7", (), ()),
        ("0.0.0.0", (), ()),
        ("2001:db8::1", (), ()),
        ("2001:DB8:0::1", (), ('must be in canonical form ("2001:db8::1")',)),
        ("::ffff:1.2.3.4", (MAPPED,), (MAPPED,)),
        ("::ffff:102:304", (MAPPED,), (MAPPED,)),
        ("010.002.003.004", (ZEROS,), (ZEROS,)),
        ("::ffff:01.2.3.4", (ZEROS, MAPPED), (ZEROS, MAPPED)),
        ("", (NO_ADDRESS,), (NO_ADDRESS,)),
        ("1.2.3", (NO_ADDRESS,), (NO_ADDRESS,)),
        ("1.2.3.400", (NO_ADDRESS,), (NO_ADDRESS,)),
        ("fe80::1%eth0", (NO_ADDRESS,), (NO_ADDRESS,)),
        (" 1.2.3.4", (NO_ADDRESS,), (NO_ADDRESS,)),
        ("1.2.3.4/32", (NO_ADDRESS,), (NO_ADDRESS,)),
    ],
)
def test_addresses(text: str, errors: tuple[str, ...], canonical: tuple[str, ...]) -> None:
    """IsValidIPForLegacyField, IsValidIP."""
    assert address_errors(text) == errors
    assert address_errors(text, [text]) == (), "what the object had before is accepted"
    assert canonical_address_errors(text) == canonical


@pytest.mark.parametrize(
    ("text", "errors", "canonical"),
    [
        ("10.9.8.0/24", (), ()),
        ("2001:db8::/64", (), ()),
        ("2001:DB8::/64", (), ('must be in canonical form ("2001:db8::/64")',)),
        ("10.9.8.7/24", (HOST_BITS,), (HOST_BITS,)),
        ("10.09.8.0/24", (PREFIX_ZEROS,), (PREFIX_ZEROS,)),
        ("10.9.8.0/024", (PREFIX_ZEROS,), (PREFIX_ZEROS,)),
        ("::ffff:10.0.0.0/104", (PREFIX_MAPPED,), (PREFIX_MAPPED,)),
        ("10.9.8.0/255.255.255.0", (NO_PREFIX,), (NO_PREFIX,)),
        ("10.9.8.0/33", (NO_PREFIX,), (NO_PREFIX,)),
        ("10.9.8.0", (NO_PREFIX,), (NO_PREFIX,)),
        ("10.9.8.0/", (NO_PREFIX,), (NO_PREFIX,)),
        ("/24", (NO_PREFIX,), (NO_PREFIX,)),
    ],
)
def test_prefixes(text: str, errors: tuple[str, ...], canonical: tuple[str, ...]) -> None:
    """IsValidCIDRForLegacyField, IsValidCIDR."""
    assert prefix_errors(text) == errors
    assert prefix_errors(text, [text]) == (), "what the object had before is accepted"
    assert canonical_prefix_errors(text) == canonical


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("10.9.8.7", ()),
        ("2001:db8::1", ()),
        ("none", ()),
        ("010.9.8.7", ('f: non-standard IP address "010.9.8.7" is invalid: use "10.9.8.7"',)),
        ("::ffff:1.2.3.4", ('f: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4"',)),
        ("2001:db8:0:0::1", ('f: IPv6 address "2001:db8:0:0::1" should be in RFC 5952 canonical format ("2001:db8::1")',)),
    ],
)
def test_warnings_of_addresses(text: str, warnings: tuple[str, ...]) -> None:
    """GetWarningsForIP."""
    assert address_warnings("f", text) == warnings


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("10.9.8.0/24", ()),
        ("2001:db8::/64", ()),
        ("none", ()),
        (
            "10.9.8.7/24",
            ('f: CIDR value "10.9.8.7/24" is ambiguous in this context (should be "10.9.8.0/24" or "10.9.8.7/32"?)',),
        ),
        ("10.9.8.0/024", ('f: non-standard CIDR value "10.9.8.0/024" is invalid: use "10.9.8.0/24"',)),
        ("2001:DB8::/64", ('f: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")',)),
    ],
)
def test_warnings_of_prefixes(text: str, warnings: tuple[str, ...]) -> None:
    """GetWarningsForCIDR."""
    assert prefix_warnings("f", text) == warnings
