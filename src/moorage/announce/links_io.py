"""The interfaces of this machine that have neighbours, and the prefixes that are on them."""

from __future__ import annotations

from ipaddress import ip_interface

from pyroute2 import AsyncIPRoute

from moorage.announce.links import Links
from moorage.model.net import Address, Prefix

_LOOPBACK = 0x08
_NO_ARP = 0x80
_UP = 0x01
_LINK_SCOPE = 253


async def read_links() -> Links:
    """Those of the calling process's network namespace."""
    prefixes: dict[str, list[Prefix]] = {}
    own: dict[Address, str] = {}
    async with AsyncIPRoute() as route:
        names = {}
        async for link in await route.get_links():
            flags = link["flags"]
            if flags & _UP and not flags & (_LOOPBACK | _NO_ARP):
                names[link["index"]] = link.get_attr("IFLA_IFNAME")
        async for each in await route.get_addr():
            name = names.get(each["index"])
            if name is None or each["scope"] == _LINK_SCOPE:
                continue
            interface = ip_interface(f"{each.get_attr('IFA_LOCAL') or each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}")
            own[interface.ip] = name
            prefixes.setdefault(name, []).append(interface.network)
    return Links({name: tuple(each) for name, each in prefixes.items()}, own)
