"""Texts of settings that must mean something: prefixes, addresses with a port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from moorage.model.errors import FieldError, invalid
from moorage.model.net import parse_address

PRIMARY = "primary"
"""In place of prefixes: NodePorts are served at the Node's InternalIPs (kube-proxy `--nodeport-addresses primary`)."""


def wrong_prefixes(key: str, texts: Sequence[str]) -> Iterator[FieldError]:
    """Each text that is no network prefix. A prefix with host bits is a typing error."""
    for index, text in enumerate(texts):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield invalid(f"{key}[{index}]", text, str(error))


def wrong_node_port_addresses(key: str, texts: Sequence[str]) -> Iterator[FieldError]:
    """They are either PRIMARY or prefixes."""
    if PRIMARY not in texts:
        yield from wrong_prefixes(key, texts)
    elif len(texts) > 1:
        yield invalid(key, texts, f"is either {PRIMARY} or prefixes such as 192.0.2.0/24, not both")


def bind_address(text: str) -> tuple[str, int] | None:
    """`ADDRESS:PORT`, an IPv6 address in brackets or not; None for what is none."""
    address, _, port = text.rpartition(":")
    host = address.removeprefix("[").removesuffix("]")
    if parse_address(host) is None or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return host, int(port)


def wrong_bind_address(key: str, text: str) -> Iterator[FieldError]:
    """Empty is right: it serves nowhere."""
    if text and bind_address(text) is None:
        yield invalid(key, text, "must be an address and a port, such as 127.0.0.1:10249 or [::]:10249, or empty")
