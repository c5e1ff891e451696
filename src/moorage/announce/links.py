"""The interfaces of a machine that have neighbours, and which of them fit an address."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.net import Address, Prefix


class Links(msgspec.Struct, frozen=True):
    """Prefixes by interface, and the interface of each own address."""

    prefixes: Mapping[str, tuple[Prefix, ...]] = {}
    own: Mapping[Address, str] = {}

    def fitting(self, address: Address, met_at: tuple[Address, ...]) -> tuple[str, ...]:
        """The interfaces at which an address is answered for where nobody names any: those whose network it is in, and
        those where the other speakers are met.
        """
        found = [name for name, prefixes in self.prefixes.items() if any(address in each for each in prefixes)]
        found += [self.own[each] for each in met_at if each in self.own]
        return tuple(sorted(set(found)))
