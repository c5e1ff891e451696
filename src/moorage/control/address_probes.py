"""Which addresses the network itself uses, as far as handing out is concerned: asked before, remembered for a minute.

An address that a Service of ours has just given up is not asked for: what answers may still be a machine of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from moorage.model.net import Address
from moorage.model.ports import AddressState, Probes

PASSED_OVER = 60.0
"""Seconds until an address that is in use is asked for again."""

OWN_ECHO = 60.0
"""Seconds in which an answer may be that of a machine of ours which has not heard yet that it should be silent."""

ASK_AGAIN = 0.1
"""Seconds until it is looked whether an answer is there."""

FREE = AddressState()


class Unprobed:
    """Probes of a controller that sees no network: every address is free."""

    def state(self, address: Address) -> AddressState:
        return FREE


class Neighbourhood:
    """Answers by address, each until a time."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._in_use: dict[Address, tuple[str, float]] = {}
        self._ours: dict[Address, float] = {}
        self._told: dict[Address, str] = {}
        self._news: dict[Address, str] = {}

    def released(self, addresses: Iterable[Address], now: float) -> None:
        """Services of ours gave these up."""
        self._ours |= dict.fromkeys(addresses, now + OWN_ECHO)

    def state(self, address: Address, now: float) -> AddressState:
        if self._ours.get(address, now) > now:
            return FREE
        found = self._probes.state(address)
        if found.mac:
            self._in_use[address] = (found.mac, now + PASSED_OVER)
            if self._told.get(address) != found.mac:
                self._told[address] = found.mac
                self._news[address] = found.mac
        elif not found.asking:
            self._told.pop(address, None)
        return found

    def news(self) -> Mapping[Address, str]:
        """Addresses that turned out to be in use, with the MAC address; each is told once, until it is free in between."""
        news, self._news = self._news, {}
        return news

    def mac(self, address: Address) -> str:
        """Who uses an address, as far as it was asked; empty for nobody."""
        return self._in_use.get(address, ("", 0.0))[0]

    def expire(self, now: float) -> bool:
        """Forgets what is too old. True where an address may be free again."""
        self._ours = {address: until for address, until in self._ours.items() if until > now}
        over = [address for address, (_, until) in self._in_use.items() if until <= now]
        for address in over:
            del self._in_use[address]
        return bool(over)

    def wake_at(self) -> float | None:
        return min((until for _, until in self._in_use.values()), default=None)
