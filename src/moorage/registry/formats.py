"""Formats of single values: text -> what is wrong with it, in Kubernetes' words; empty where it is fine.

Source: apimachinery `util/validation`. Results are remembered: the same node and Pod names come in every EndpointSlice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from moorage.model.clock import parse_timestamp
from moorage.model.net import Address

Format = Callable[[str], tuple[str, ...]]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_usual_ipv4 = re.compile(rf"(?!0\.|127\.|169\.254\.|224\.0\.0\.){_OCTET}(?:\.{_OCTET}){{3}}").fullmatch

_remember = lru_cache(maxsize=16384)


def _regex(text: str, pattern: str, *examples: str) -> str:
    listed = ",  or ".join(f"'{each}'" for each in examples)
    return f"{text} (e.g. {listed}, regex used for validation is '{pattern}')"


def _longest(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


@_remember
def dns_label(value: str) -> tuple[str, ...]:
    """RFC 1123 label."""
    errors = [_longest(63)] if len(value) > 63 else []
    if not _is_label(value):
        if _is_subdomain(value):
            errors.append("must not contain dots")
        else:
            errors.append(
                _regex(
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                    "and must start and end with an alphanumeric character",
                    _LABEL, "my-name", "123-abc",
                )
            )  # fmt: skip
    return tuple(errors)


@_remember
def dns_subdomain(value: str) -> tuple[str, ...]:
    """RFC 1123 subdomain."""
    errors = [_longest(253)] if len(value) > 253 else []
    if not _is_subdomain(value):
        errors.append(
            _regex(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                "and must start and end with an alphanumeric character",
                _SUBDOMAIN.replace(r"\.", "\\."), "example.com",
            )
        )  # fmt: skip
    return tuple(errors)


@_remember
def qualified_name(value: str) -> tuple[str, ...]:
    """A label key, annotation key or finalizer: `name` or `prefix/name`."""
    errors: list[str] = []
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return (
            "a qualified name "
            + _regex(
                "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character",
                _QUALIFIED, "MyName", "my.name", "123-abc",
            )
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        )  # fmt: skip
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors.extend(f"prefix part {each}" for each in dns_subdomain(prefix))
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append(f"name part {_longest(63)}")
    if not _is_qualified(name):
        errors.append(
            "name part "
            + _regex(
                "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character",
                _QUALIFIED, "MyName", "my.name", "123-abc",
            )
        )  # fmt: skip
    return tuple(errors)


@_remember
def label_value(value: str) -> tuple[str, ...]:
    errors = [_longest(63)] if len(value) > 63 else []
    if value and not _is_qualified(value):
        errors.append(
            _regex(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                "and must start and end with an alphanumeric character",
                f"({_QUALIFIED})?", "MyValue", "my_value", "12345",
            )
        )  # fmt: skip
    return tuple(errors)


@_remember
def port_name(value: str) -> tuple[str, ...]:
    """RFC 6335 service name, lower case: what `targetPort` and container ports are called."""
    errors = [_longest(15)] if len(value) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return tuple(errors)


def port_number(value: int) -> tuple[str, ...]:
    return () if 1 <= value <= 65535 else (between(1, 65535),)


@_remember
def parsed_address(value: str) -> Address | None:
    """The address, or None. Zones (`fe80::1%eth0`) and leading zeros are no part of the API."""
    if "%" in value:
        return None
    try:
        return ip_address(value)
    except ValueError:
        return None


def address(value: str) -> tuple[str, ...]:
    if parsed_address(value) is None:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return ()


def prefix(value: str) -> tuple[str, ...]:
    """An address and a length; bits below the prefix may be set, as Go's ParseCIDR allows."""
    try:
        if "/" not in value or "%" in value:
            raise ValueError(value)
        ip_network(value, strict=False)
    except ValueError:
        return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    return ()


def time(value: str) -> tuple[str, ...]:
    """`metav1.Time` and `metav1.MicroTime`."""
    try:
        parse_timestamp(value)
    except ValueError:
        return ("must be a time as in RFC 3339, (e.g. 2006-01-02T15:04:05Z)",)
    return ()


def is_usual_ipv4(value: str) -> bool:
    """Whether `endpoint_address` surely has nothing to say of an IPv4 address; much faster, for slices full of new ones."""
    return _is_usual_ipv4(value) is not None


@_remember
def endpoint_address(value: str) -> tuple[str, ...]:
    """A valid address that can be somebody's: not unspecified, loopback, link-local or link-local multicast."""
    found = parsed_address(value)
    if found is None:
        return address(value)
    errors = []
    if found.is_unspecified:
        errors.append(f"may not be unspecified ({value})")
    if found.is_loopback:
        errors.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        errors.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if _in_link_local_multicast(found):
        errors.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return tuple(errors)


def _in_link_local_multicast(found: Address) -> bool:
    if found.version == 4:
        return int(found) >> 8 == 0xE00000
    return int(found) >> 112 in (0xFF02, 0xFF12)


def config_key(value: str) -> tuple[str, ...]:
    """A key of a ConfigMap or Secret: it can be a file's name."""
    errors = [_longest(253)] if len(value) > 253 else []
    if not re.fullmatch(r"[-._a-zA-Z0-9]+", value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(_regex(text, r"[-._a-zA-Z0-9]+", "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        errors.append(f"must not be '{value}'")
    elif value.startswith(".."):
        errors.append("must not start with '..'")
    return tuple(errors)


def wildcard_subdomain(value: str) -> tuple[str, ...]:
    """`*.` and an RFC 1123 subdomain."""
    errors = [_longest(253)] if len(value) > 253 else []
    if not (value.startswith("*.") and _is_subdomain(value[2:])):
        text = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
            "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        errors.append(_regex(text, rf"\*\.{_SUBDOMAIN}", "*.example.com"))
    return tuple(errors)


def path_segment(value: str) -> tuple[str, ...]:
    """What can stand between two slashes of a URL."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{each}'" for each in "/%" if each in value)


def domain_prefixed_path(value: str) -> tuple[str, ...]:
    """`example.com/path`."""
    domain, slash, path = value.partition("/")
    if not slash or not domain or not path:
        return ('must be a domain-prefixed path (such as "acme.io/foo")',)
    errors = list(dns_subdomain(domain))
    if not re.fullmatch(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", path):
        errors.append(_regex("Invalid path", r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", "example.com/foo"))
    return tuple(errors)
