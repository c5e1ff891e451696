"""What the kernel has counted, and a table -> what each Service and each endpoint has carried.

The kernel counts by address; a table says whose address it is. A pair that leads nowhere any more is forgotten once it has
rested between two readings: connections to an endpoint that is gone may drain for long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from moorage.datapath.counts import Amount, Counts, Pair, Sent
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
from moorage.table.types import ANY_ADDRESS, ForwardingTable, Frontend


class Owner(NamedTuple):
    """One port of a Service. `port` is its name, or where it has none its number; of a range its first number."""

    service: Key
    port: str
    protocol: Protocol


class Tally(NamedTuple):
    """`received` went to endpoints, `sent` came from them."""

    connections: int = 0
    received: Amount = Amount()
    sent: Amount = Amount()

    def plus(self, other: Tally) -> Tally:
        return Tally(self.connections + other.connections, _sum(self.received, other.received), _sum(self.sent, other.sent))


class Traffic:
    """Carried forward from one reading to the next, so that a Service's numbers only grow while the agent runs."""

    def __init__(self) -> None:
        self._pairs: dict[Pair, tuple[Owner | None, Tally]] = {}
        self._retired: dict[Owner, Tally] = {}
        self._refusals: dict[Sent, tuple[Owner | None, Amount]] = {}

    def read(self, counts: Counts, table: ForwardingTable) -> list[Pair]:
        """Takes a reading, and gives the pairs that the kernel may forget."""
        places = Places(table)
        before, self._pairs = self._pairs, {}
        idle = []
        for pair, tally in tallies(counts).items():
            owner, last = before.pop(pair, (None, Tally()))
            if tally.connections < last.connections:
                self._retire(owner, last)
                last = Tally()
            found = places.find(pair.sent)
            owner = owner if found is None else found[0]
            if tally == last and (found is None or not leads_to(found[1], pair.endpoint)):
                idle.append(pair)
            self._pairs[pair] = owner, tally
        for owner, last in before.values():
            self._retire(owner, last)
        self._retired = {owner: tally for owner, tally in self._retired.items() if owner.service in table.services}
        self._refusals = {sent: (places.owner(sent), amount) for sent, amount in counts.refusals.items()}
        return idle

    def services(self) -> Mapping[Owner, Tally]:
        """What each port of each Service has carried, over all endpoints, those gone too."""
        totals = dict(self._retired)
        for owner, tally in self._pairs.values():
            if owner is not None:
                totals[owner] = totals.get(owner, Tally()).plus(tally)
        return totals

    def endpoints(self) -> Mapping[tuple[Owner, Address], Tally]:
        totals: dict[tuple[Owner, Address], Tally] = {}
        for pair, (owner, tally) in self._pairs.items():
            if owner is not None:
                at = owner, ip_address(pair.endpoint)
                totals[at] = totals.get(at, Tally()).plus(tally)
        return totals

    def refusals(self) -> Mapping[Owner | None, Amount]:
        """Packets that were dropped or rejected; None are those to no Service's port."""
        totals: dict[Owner | None, Amount] = {}
        for owner, amount in self._refusals.values():
            totals[owner] = _sum(totals.get(owner, Amount()), amount)
        return totals

    def _retire(self, owner: Owner | None, tally: Tally) -> None:
        if owner is not None:
            self._retired[owner] = self._retired.get(owner, Tally()).plus(tally)


class Places:
    """Whose an address and port is; made once for many questions."""

    def __init__(self, table: ForwardingTable) -> None:
        self._single: dict[Sent, tuple[Owner, Frontend]] = {}
        self._ranges: dict[tuple[bytes, int], list[tuple[Owner, Frontend]]] = {}
        for service, frontends in table.services.items():
            for each in frontends:
                match = each.match
                owned = Owner(service, each.port_name or str(match.port), match.protocol), each
                if match.last:
                    self._ranges.setdefault((match.address.packed, match.protocol.number), []).append(owned)
                else:
                    self._single[Sent(match.address.packed, match.protocol.number, match.port)] = owned

    def find(self, sent: Sent) -> tuple[Owner, Frontend] | None:
        """As `table.trace` finds it: the address's own port, a NodePort, a range."""
        return self._single.get(sent) or self._single.get(_at_node(sent)) or next(self._ranged(sent), None)

    def owner(self, sent: Sent) -> Owner | None:
        found = self.find(sent)
        return found[0] if found else None

    def _ranged(self, sent: Sent) -> Iterator[tuple[Owner, Frontend]]:
        held = self._ranges.get((sent.address, sent.protocol), ())
        return (each for each in held if each[1].match.port <= sent.port <= each[1].match.last)


def leads_to(frontend: Frontend, endpoint: bytes) -> bool:
    choices = (frontend.choice, *([frontend.inside] if frontend.inside else ()))
    return any(each.endpoint[:-2] == endpoint for choice in choices for each in choice.backends)


def tallies(counts: Counts) -> dict[Pair, Tally]:
    pairs = {**counts.connections, **counts.requests, **counts.replies}
    nothing = Amount()
    return {
        pair: Tally(counts.connections.get(pair, 0), counts.requests.get(pair, nothing), counts.replies.get(pair, nothing))
        for pair in pairs
    }


def _at_node(sent: Sent) -> Sent:
    family = Family.IPV4 if len(sent.address) == 4 else Family.IPV6
    return sent._replace(address=ANY_ADDRESS[family].packed)


def _sum(one: Amount, other: Amount) -> Amount:
    return Amount(one.packets + other.packets, one.bytes + other.bytes)
