"""Who holds which load-balancer address: what Services show, and what was handed out but does not show yet.

The holders of one address stand in a line: first those who hold it undisputed, the older before the younger; behind them those
who changed while they held it, so that they no longer get along with the others. Whoever does not get along with one before it
in the line has to go.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.allocate.pools import Pool
from moorage.control.sharing import Claim, clash
from moorage.model.meta import Key
from moorage.model.net import Address, Family
from moorage.model.service import Service


class Holder(msgspec.Struct, frozen=True, order=True):
    """`changed` puts a holder behind those that did not change. Ordered as the line is."""

    changed: bool
    age: str
    key: Key


class Hindrance(msgspec.Struct, frozen=True):
    """Who has an address that a Service cannot have because of it, and why the two cannot share it."""

    key: Key
    why: str


class Book:
    """All of them. Services of other load balancers are in it too: what they show is taken.

    `revision` grows when an address is taken or given up.
    """

    def __init__(self) -> None:
        self._lines: dict[Address, dict[Key, Holder]] = {}
        self._shown: dict[Key, frozenset[Address]] = {}
        self._claims: dict[Key, Claim] = {}
        self._leading: dict[tuple[Key, Family], tuple[Pool, int]] = {}
        self.revision = 0

    def write(self, service: Service, claim: Claim, addresses: Iterable[Address]) -> frozenset[Address]:
        """Replaces what is known of one Service; returns what it gave up."""
        key, new = service.key, frozenset(addresses)
        old, before = self._shown.get(key, frozenset()), self._claims.get(key)
        self.revision += old != new
        self._claims[key] = claim
        self._shown[key] = new
        for address in old - new:
            self._leave(address, key)
        for address in new:
            line = self._lines.setdefault(address, {})
            there = line.get(key)
            disputed = there is not None and self._others_clash(address, key, claim)
            changed = disputed and (before != claim or (there is not None and there.changed))
            line[key] = Holder(changed, service.metadata.creation_timestamp or "", key)
        return old - new

    def erase(self, key: Key) -> frozenset[Address]:
        """Returns what the Service gave up."""
        self._claims.pop(key, None)
        addresses = self._shown.pop(key, frozenset())
        self.revision += bool(addresses)
        for address in addresses:
            self._leave(address, key)
        return addresses

    def hindrance(self, address: Address, key: Key, claim: Claim) -> Hindrance | None:
        """Why a Service cannot have an address, or cannot keep it."""
        line = self._lines.get(address)
        if not line:
            return None
        if not claim.sharing and key not in line:
            first = next(iter(line))
            return Hindrance(first, clash(claim, self._claims[first]))
        standing: list[Key] = []
        for holder in sorted(line.values()):
            if holder.key == key:
                return self._against(standing, claim)
            theirs = self._claims[holder.key]
            if key not in line or self._against(standing, theirs) is None:
                standing.append(holder.key)
        return self._against(standing, claim)

    def held(self, key: Key) -> frozenset[Address]:
        return self._shown.get(key, frozenset())

    def is_held(self, address: Address) -> bool:
        return address in self._lines

    def holders(self, address: Address) -> frozenset[Key]:
        return frozenset(self._lines.get(address, ()))

    def claim(self, key: Key) -> Claim:
        """An empty claim where the Service holds nothing."""
        return self._claims.get(key, Claim())

    def count(self, pool: Pool, family: Family) -> int:
        """How many addresses of a pool are held; a shared one counts once."""
        return sum(Family.of(address) is family and pool.usable(address) for address in self._lines)

    def leading(self, pool: Pool, family: Family) -> int:
        """How many of a pool's first addresses are all held: whoever looks for a free one need not look there.

        It is counted on from where it stood, until an address is given up: so that a thousand Services that get one each do
        not look at each other's.
        """
        known, count = self._leading.get((pool.key, family), (pool, 0))
        count = count if known == pool else 0
        for address in pool.addresses(family, count):
            if address not in self._lines and pool.usable(address):
                break
            count += 1
        self._leading[pool.key, family] = pool, count
        return count

    def keys(self) -> frozenset[Key]:
        return frozenset(self._shown)

    def _against(self, holders: Iterable[Key], claim: Claim) -> Hindrance | None:
        return next((Hindrance(each, why) for each in holders if (why := clash(claim, self._claims[each]))), None)

    def _others_clash(self, address: Address, key: Key, claim: Claim) -> bool:
        return any(clash(claim, self._claims[each]) for each in self._lines[address] if each != key)

    def _leave(self, address: Address, key: Key) -> None:
        line = self._lines[address]
        del line[key]
        if not line:
            del self._lines[address]
            self._leading.clear()
