"""The voter: what one speaker grants to whom, itself included. An address goes to one name at a time, until the grant
is released by who has it or has not been renewed for UP.

Nothing is granted in the first UP of a voter without memory: what an earlier run of it granted has ended by then.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.announce.timing import UP

Address = bytes


class Record(msgspec.Struct):
    """What one run of a speaker claims: all that it has listed in `generation`, some of it `refused`. `received` is by
    the voter's clock, `stamp` by the speaker's.
    """

    incarnation: int
    stamp: float
    received: float
    generation: int = 0
    granted: set[Address] = msgspec.field(default_factory=set)
    refused: set[Address] = msgspec.field(default_factory=set)

    def runs_out(self, now: float) -> bool:
        return now >= self.received + UP

    @property
    def claims(self) -> set[Address]:
        return self.granted | self.refused


class Grants(msgspec.Struct):
    """Records by name, and whose each granted address is. `since`: when this voter began to run."""

    since: float
    records: dict[str, Record] = msgspec.field(default_factory=dict)
    earlier: list[tuple[str, Record]] = msgspec.field(default_factory=list)
    owners: dict[Address, str] = msgspec.field(default_factory=dict)

    def may_vote(self, now: float) -> bool:
        return now >= self.since + UP

    def has(self, name: str, address: Address) -> bool:
        """Whether the address is granted to that speaker."""
        record = self.records.get(name)
        return record is not None and address in record.granted

    def hear(self, name: str, incarnation: int, stamp: float, now: float) -> Record | None:
        """The record of a speaker that has just been heard, None for a message that an older one overtook.

        A new incarnation begins with an empty record; the grants of the one before stand until they run out.
        """
        record = self.records.get(name)
        if record is not None and record.incarnation == incarnation:
            if stamp <= record.stamp:
                return None
        else:
            if record is not None:
                self.earlier.append((name, record))
            record = Record(incarnation, stamp, now)
            self.records[name] = record
        return record

    def renew(
        self, name: str, record: Record, stamp: float, now: float, generation: int, claims: Iterable[Address] | None
    ) -> bool:
        """Renews the grants of a record that `hear` has given, and grants what it claims and is free. `claims` None
        means: as listed in that generation. Whether anything was released.
        """
        lapsed = record.runs_out(now)
        record.stamp, record.received = stamp, now
        released = False
        if claims is not None and generation >= record.generation:
            claimed = set(claims)
            gone = record.granted - claimed
            for each in gone:
                self._free(name, each)
            released = bool(gone)
            record.granted -= gone
            record.refused = claimed - record.granted
            record.generation = generation
        if lapsed:
            record.refused |= record.granted
            record.granted = set()
        self._grant(name, record, now)
        return released

    def retry(self, now: float) -> list[str]:
        """Grants what others have released to those who were refused it; the names that got something."""
        got = []
        for name, record in self.records.items():
            if record.refused and not record.runs_out(now) and self._grant(name, record, now):
                got.append(name)
        return got

    def _grant(self, name: str, record: Record, now: float) -> bool:
        if not self.may_vote(now):
            return False
        free = [each for each in record.refused if not self._taken(name, each, now)]
        for each in free:
            self.owners[each] = name
        record.granted.update(free)
        record.refused.difference_update(free)
        return bool(free)

    def _taken(self, name: str, address: Address, now: float) -> bool:
        """Whether another speaker has it; what has run out is taken away."""
        if any(address in record.granted and other != name and not record.runs_out(now) for other, record in self.earlier):
            return True
        owner = self.owners.get(address)
        if owner is None or owner == name:
            return False
        record = self.records.get(owner)
        if record is None or address not in record.granted:
            return False
        if not record.runs_out(now):
            return True
        record.granted.discard(address)
        record.refused.add(address)
        return False

    def _free(self, name: str, address: Address) -> None:
        if self.owners.get(address) == name:
            del self.owners[address]

    def forget(self, now: float) -> None:
        """Drops what has long run out, so that the memory does not grow."""
        self.earlier = [(name, record) for name, record in self.earlier if not record.runs_out(now)]
        for name in [name for name, record in self.records.items() if now >= record.received + 100 * UP]:
            for each in self.records.pop(name).granted:
                self._free(name, each)
