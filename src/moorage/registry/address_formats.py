"""Addresses and prefixes as text: what is wrong with one, and what its writer should know though it is accepted.

Source: apimachinery `util/validation/ip.go` with StrictIPCIDRValidation, which Kubernetes 1.36 has on. Fields that are older
than that rule take any correct spelling and warn of unusual ones; newer fields take the canonical spelling only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec

from moorage.model.net import Address, Prefix

NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_PREFIX = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

_remember = lru_cache(maxsize=16384)
_zeros = re.compile(r"(^|\.)0+(?=\d)")


class Parsed(msgspec.Struct, frozen=True):
    """An address as lenient parsers read it. `padded`: with leading zeros, which some read as octal."""

    address: Address
    padded: bool = False

    @property
    def mapped(self) -> bool:
        return isinstance(self.address, IPv6Address) and self.address.ipv4_mapped is not None

    @property
    def canonical(self) -> str:
        """RFC 5952; an IPv4-mapped address is written as the IPv4 address that it stands for."""
        mapped = self.address.ipv4_mapped if isinstance(self.address, IPv6Address) else None
        return str(mapped or self.address)


class ParsedPrefix(msgspec.Struct, frozen=True):
    """A prefix as lenient parsers read it, with the address that was written before the slash."""

    prefix: Prefix
    address: Parsed
    padded: bool = False

    @property
    def has_host_bits(self) -> bool:
        return self.address.address != self.prefix.network_address


@_remember
def parse(text: str) -> Parsed | None:
    """None where no parser would take the text. Zones (`fe80::1%eth0`) are no part of the API."""
    if "%" in text:
        return None
    head, colon, tail = text.rpartition(":")
    stripped = head + colon + _zeros.sub(r"\1", tail) if "." in tail else text
    try:
        return Parsed(ip_address(stripped), padded=stripped != text)
    except ValueError:
        return None


@_remember
def parse_prefix(text: str) -> ParsedPrefix | None:
    before, slash, length = text.partition("/")
    parsed = parse(before)
    if parsed is None or not slash or not (length.isascii() and length.isdecimal()):
        return None
    try:
        prefix = ip_network((parsed.address, int(length)), strict=False)
    except ValueError:
        return None
    return ParsedPrefix(prefix, parsed, padded=parsed.padded or length != str(int(length)))


def address_errors(text: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """For a field that takes any correct spelling. What the object had before (`known`) is never wrong."""
    if text in known:
        return ()
    parsed = parse(text)
    if parsed is None:
        return (NO_ADDRESS,)
    errors = []
    if parsed.padded:
        errors.append("must not have leading 0s")
    if parsed.mapped:
        errors.append("must not be an IPv4-mapped IPv6 address")
    return tuple(errors)


def canonical_address_errors(text: str) -> tuple[str, ...]:
    """For a field, or a name, that takes one spelling of each address."""
    parsed = parse(text)
    errors = address_errors(text)
    if parsed is None or errors or text == parsed.canonical:
        return errors
    return (f'must be in canonical form ("{parsed.canonical}")',)


def prefix_errors(text: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """As `address_errors`, for a prefix."""
    if text in known:
        return ()
    parsed = parse_prefix(text)
    if parsed is None:
        return (NO_PREFIX,)
    if parsed.padded:
        return ("must not have leading 0s in IP or prefix length",)
    if parsed.address.mapped:
        return ("must not have an IPv4-mapped IPv6 address",)
    return ("must not have bits set beyond the prefix length",) if parsed.has_host_bits else ()


def canonical_prefix_errors(text: str) -> tuple[str, ...]:
    parsed = parse_prefix(text)
    errors = prefix_errors(text)
    if parsed is None or errors or text == str(parsed.prefix):
        return errors
    return (f'must be in canonical form ("{parsed.prefix}")',)


def address_warnings(field: str, text: str) -> tuple[str, ...]:
    parsed = parse(text)
    if parsed is None:
        return ()
    if parsed.padded or parsed.mapped:
        return (f'{field}: non-standard IP address "{text}" is invalid: use "{parsed.canonical}"',)
    if text != parsed.canonical:
        return (f'{field}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{parsed.canonical}")',)
    return ()


def prefix_warnings(field: str, text: str) -> tuple[str, ...]:
    parsed = parse_prefix(text)
    if parsed is None:
        return ()
    warnings = []
    if parsed.has_host_bits:
        single = f"{parsed.address.canonical}/{parsed.prefix.max_prefixlen}"
        choice = f'(should be "{parsed.prefix}" or "{single}"?)'
        warnings.append(f'{field}: CIDR value "{text}" is ambiguous in this context {choice}')
    if parsed.padded or parsed.address.mapped:
        warnings.append(f'{field}: non-standard CIDR value "{text}" is invalid: use "{parsed.prefix}"')
    if not warnings and text != str(parsed.prefix):
        warnings.append(f'{field}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{parsed.prefix}")')
    return tuple(warnings)
