"""Addresses that programs of this machine serve, though no interface has them -> routes by which the kernel takes them in.

    table 7577     local ADDRESS dev lo                          one for each address
    rules          ipproto tcp, icmp, ipv6-icmp lookup 7577      while there is one

The table is not `local`, and the rules name protocols, so that nothing but such packets ever finds these routes: the kernel
answers ARP for whatever the table `local` has, at every interface, and asks by ARP in the name of such an address (Linux 6.18,
`arp_process`, `arp_solicit`). It answers NDP, and chooses the source of own connections, by addresses of interfaces alone.
Routes and rules of ours carry `proto 77`, so what an earlier run has left is taken over, and what others made is not touched.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from errno import EEXIST, ENOENT, ESRCH
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from moorage.model.errors import HostError
from moorage.model.net import Address, Family, parse_address

OUR_PROTOCOL = 77
"""RTA_PROTOCOL and FRA_PROTOCOL of ours; `ip` prints it as `proto 77`. A rule has one since Linux 4.17, as `ipproto`."""
TABLE = 7577
PRIORITY = 77
"""Of the rules: after the one for the table `local`, before those for others' tables."""

LOOK = 5.0
"""Seconds after which it is read again what is there: others take away what they do not know, as systemd-networkd does with
rules when it starts (`ManageForeignRoutingPolicyRules=`).
"""

_LOCAL, _HOST = 2, 254
"""RTN_LOCAL, RT_SCOPE_HOST."""
_TAKEN_IN = {
    Family.IPV4: (socket.IPPROTO_TCP, socket.IPPROTO_ICMP),
    Family.IPV6: (socket.IPPROTO_TCP, socket.IPPROTO_ICMPV6),
}
"""TCP, and what ICMP says of its packets (path MTU discovery)."""
_SOURCE = {Family.IPV4: "127.0.0.1", Family.IPV6: None}
"""That of connections from this machine to such an address itself."""
_GONE = (ENOENT, ESRCH)


class Accepting:
    """The routes of the calling process's network namespace. Needs CAP_NET_ADMIN."""

    def __init__(self) -> None:
        self._accepted: frozenset[Address] | None = None
        self._look_at = 0.0

    @property
    def look_in(self) -> float | None:
        """Seconds until `accept` should be called though nothing is new, None where there is nothing to look after."""
        return max(0.0, self._look_at - time.monotonic()) if self._accepted else None

    async def accept(self, wanted: Iterable[Address], may_stay: Iterable[Address]) -> None:
        """From now on these are taken in, and of those that were before, the ones that may stay: connections may go on.

        The first call finds what an earlier run has left. Raises HostError, after everything else was done, where the kernel
        refuses something; the next call tries again from what is really there, as does one after LOOK.
        """
        wanted, may_stay, now = frozenset(wanted), frozenset(may_stay), time.monotonic()
        before = self._accepted
        if before is not None and before == wanted | (before & may_stay) and (not before or now < self._look_at):
            return
        self._look_at = now + LOOK
        async with AsyncIPRoute() as route:
            present, self._accepted = await _routes(route), None
            stays = wanted | ((present | (before or frozenset())) & may_stay)
            problems = await _change(route, "add", stays - present)
            problems += await _arrange(route, {Family.of(each) for each in stays})
            problems += await _change(route, "del", present - stays)
        if problems:
            raise HostError("; ".join(problems))
        self._accepted = stays

    async def release(self) -> tuple[Address, ...]:
        """Takes all routes and rules of ours away; the addresses of the routes. Raises HostError."""
        async with AsyncIPRoute() as route:
            present, self._accepted = await _routes(route), None
            problems = await _arrange(route, set())
            problems += await _change(route, "del", present)
        if problems:
            raise HostError("; ".join(problems))
        return _sorted(present)


async def _routes(route: AsyncIPRoute) -> frozenset[Address]:
    found = [each for family in Family for each in await _dumped(await route.get_routes(family=_of(family), table=TABLE))]
    ours = (each.get_attr("RTA_DST") for each in found if each["proto"] == OUR_PROTOCOL and each["type"] == _LOCAL)
    return frozenset(each for each in map(parse_address, filter(None, ours)) if each is not None)


async def _rules(route: AsyncIPRoute, family: Family) -> set[int]:
    """The protocols that there is a rule of ours for."""
    found = [each for each in await _dumped(await route.get_rules(family=_of(family))) if each["family"] == _of(family)]
    return {int(each.get_attr("FRA_IP_PROTO") or 0) for each in found if each.get_attr("FRA_PROTOCOL") == OUR_PROTOCOL}


async def _arrange(route: AsyncIPRoute, families: set[Family]) -> list[str]:
    """Makes the rules those for these families; what the kernel refuses."""
    problems = []
    for family in Family:
        wanted = set(_TAKEN_IN[family]) if family in families else set()
        present = await _rules(route, family)
        for verb, protocols in (("add", wanted - present), ("del", present - wanted)):
            for each in sorted(protocols):
                spec = {"family": _of(family), "table": TABLE, "priority": PRIORITY, "ip_proto": each}
                problems += await _asked(route.rule, verb, f"a rule for protocol {each}", {**spec, "protocol": OUR_PROTOCOL})
    return problems


async def _change(route: AsyncIPRoute, verb: str, addresses: Iterable[Address]) -> list[str]:
    """What the kernel refuses."""
    problems = []
    (loopback,) = await route.link_lookup(ifname="lo")
    for each in _sorted(addresses):
        family = Family.of(each)
        spec: dict[str, Any] = {"family": _of(family), "dst": f"{each}/{family.bits}", "table": TABLE, "type": "local"}
        spec |= {"oif": loopback, "proto": OUR_PROTOCOL, "scope": _HOST if family is Family.IPV4 else 0}
        if verb == "add" and _SOURCE[family] is not None:
            spec["prefsrc"] = _SOURCE[family]
        problems += await _asked(route.route, verb, f"a route for {each}", spec)
    return problems


async def _asked(call: Any, verb: str, what: str, spec: dict[str, Any]) -> list[str]:
    """One request. What is there already is added, what is gone is removed."""
    try:
        await call(verb, **spec)
    except NetlinkError as error:
        if error.code != EEXIST and not (verb == "del" and error.code in _GONE):
            return [f"cannot {'add' if verb == 'add' else 'remove'} {what}: {error.args[1]}"]
    return []


async def _dumped(answer: Any) -> list[Any]:
    return [each async for each in answer]


def _of(family: Family) -> int:
    return int(socket.AF_INET if family is Family.IPV4 else socket.AF_INET6)


def _sorted(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(sorted(addresses, key=lambda each: (each.version, int(each))))
