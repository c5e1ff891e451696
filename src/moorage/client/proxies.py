"""Which HTTP proxy leads to a server: what the environment says, as Go programs read it.

Source: golang.org/x/net `http/httpproxy`, which client-go uses; it takes NO_PROXY with ranges of addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from yarl import URL

from moorage.model.errors import UserError
from moorage.model.net import Address, parse_address, parse_prefix

SCHEMES = ("http", "https")

VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
"""Read in capitals and in small letters."""


def environment_proxy(server: str, environ: Mapping[str, str]) -> str:
    """The proxy's URL, empty for none. HTTPS_PROXY or HTTP_PROXY is asked, as the server's scheme is, in capitals first.

    A server on the loopback is never behind a proxy. Raises UserError where the variable holds no proxy that can be used.
    """
    url = URL(server)
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    proxy = environ.get(name) or environ.get(name.lower(), "")
    host, port = (url.host or "").lower(), url.port or 0
    if not proxy or not host or _is_direct(host, port, environ.get("NO_PROXY") or environ.get("no_proxy", "")):
        return ""
    return checked_proxy(proxy if "://" in proxy else f"http://{proxy}", name)


def checked_proxy(proxy: str, source: str) -> str:
    """The same URL. Raises UserError, which begins with `source`, for what is none or of another kind than HTTP."""
    try:
        url = URL(proxy)
    except ValueError as error:
        raise UserError(f"{source}: a proxy is a URL such as http://proxy:3128") from error
    if not url.host:
        raise UserError(f"{source}: a proxy is a URL such as http://proxy:3128")
    if url.scheme not in SCHEMES:
        raise UserError(f"{source}: {url.scheme} proxies are not supported: use one of {' or '.join(SCHEMES)}")
    return proxy


def _is_direct(host: str, port: int, no_proxy: str) -> bool:
    address = parse_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_covers(each.strip().lower(), host, address, port) for each in no_proxy.split(",") if each.strip())


def _covers(entry: str, host: str, address: Address | None, port: int) -> bool:
    """One entry of NO_PROXY: `*`, an address or a prefix, a domain (with all below it), `.domain` (only what is below it);
    an address or a domain may be followed by a port.
    """
    if entry == "*":
        return True
    prefix = parse_prefix(entry) if "/" in entry else None
    if prefix is not None:
        return address is not None and address.version == prefix.version and address in ipaddress.ip_network(prefix)
    name, wanted_port = _split_port(entry)
    if wanted_port not in (0, port):
        return False
    named = parse_address(name)
    if named is not None:
        return named == address
    domain = name.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _split_port(entry: str) -> tuple[str, int]:
    """The name or address, and its port or 0."""
    if parse_address(entry) is not None:
        return entry, 0
    name, _, port = entry.rpartition(":")
    if name and port.isdecimal():
        return name.removeprefix("[").removesuffix("]"), int(port)
    return entry.removeprefix("[").removesuffix("]"), 0
