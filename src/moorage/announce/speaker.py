"""One speaker: heartbeats in, heartbeats out, and whether it may answer for an address at this moment.

    wish ---------> follow      who else there is, which addresses, who may have which
    datagram -----> receive     who is there, what they grant this one, what they claim
    every BEAT ---> tick
                    outbox      the others that a heartbeat is due for, and `beat_for` each of them
                    may_answer  asked before every single answer

All of it is values: time is an argument, and the whole memory can be handed to the next run of the speaker as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import msgspec

from moorage.announce import heartbeat
from moorage.announce.claims import Claims
from moorage.announce.election import Electorate, rank
from moorage.announce.grants import Grants
from moorage.announce.heartbeat import Ack, Beat
from moorage.announce.membership import Membership
from moorage.announce.timing import CONTEST, FUTILE, ORPHAN, UP
from moorage.announce.wish import View, Wish
from moorage.model.net import Address


class Memory(msgspec.Struct):
    """All that a speaker knows."""

    incarnation: int
    wish: Wish
    membership: Membership
    grants: Grants
    claims: Claims
    last_claimed: dict[bytes, float] = msgspec.field(default_factory=dict)
    pauses: dict[bytes, float] = msgspec.field(default_factory=dict)


class Speaker:
    """`incarnation` is a number that no earlier run of this speaker had. `now` is always in seconds of one clock, which
    goes on while the machine sleeps.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.name = memory.wish.name
        self.outbox: set[str] = set()
        self.proposal: View | None = None
        self._elected: Mapping[Address, str] = {}
        self._electors: tuple[object, frozenset[str]] | None = None
        self._read_wish(memory.wish)

    @classmethod
    def begin(cls, name: str, incarnation: int, now: float) -> Speaker:
        """Without memory of an earlier run: it votes after UP only."""
        return cls(Memory(incarnation, Wish(name), Membership(name), Grants(now), Claims()))

    @classmethod
    def resume(cls, data: bytes) -> Speaker:
        """With what `remember` gave, on the same machine. Raises msgspec.DecodeError."""
        return cls(msgspec.msgpack.decode(data, type=Memory))

    def remember(self) -> bytes:
        return msgspec.msgpack.encode(self.memory)

    def follow(self, wish: Wish, now: float) -> None:
        self.memory.wish = wish
        self._read_wish(wish)
        self.memory.membership.adopt(wish.view)
        self._decide(now)

    def tick(self, now: float) -> None:
        memory = self.memory
        memory.grants.forget(now)
        self._vote_for_itself(now)
        self._decide(now)
        leaves = memory.wish.leaving and self._claims_nothing
        self.proposal = memory.membership.proposal(memory.wish, self.has_authority(now), leaves, now)
        self.outbox |= self.others

    def receive(self, beat: Beat, now: float) -> None:
        """A heartbeat that came from an address of the speaker that it names."""
        memory, membership = self.memory, self.memory.membership
        if beat.name not in self.others:
            return
        peer = membership.hear(beat.name, beat.incarnation, beat.stamp, now)
        if peer is None:
            return
        news = peer.able != beat.able or beat.claims is not None
        peer.able, peer.epoch = beat.able, max(peer.epoch, beat.epoch)
        if beat.members is not None and membership.adopt(View(beat.epoch, beat.members)):
            news = True
        if beat.ack is not None and beat.ack.incarnation == memory.incarnation:
            ack = beat.ack
            memory.claims.acknowledged(beat.name, ack.stamp, ack.generation, ack.refused)
        if beat.epoch >= membership.view.epoch:
            self._vote(beat, now)
        if news:
            self._decide(now)

    @property
    def others(self) -> set[str]:
        """Whom heartbeats go to, and are accepted from."""
        return ({*self.memory.wish.peers, *self.memory.membership.view.members}) - {self.name}

    def beat_for(self, other: str, now: float) -> bytes:
        """The heartbeat for one of the others."""
        memory, membership = self.memory, self.memory.membership
        vote, peer = memory.claims.votes.get(other), membership.peers.get(other)
        knows_claims = vote is not None and vote.generation == memory.claims.generation
        knows_view = peer is not None and peer.epoch >= membership.view.epoch
        beat = Beat(
            version=heartbeat.VERSION,
            name=self.name,
            incarnation=memory.incarnation,
            stamp=now,
            epoch=membership.view.epoch,
            able=self.is_able(now),
            generation=memory.claims.generation,
            claims=None if knows_claims else tuple(memory.claims.claims),
            members=None if knows_view else membership.view.members,
            ack=self._ack(other, now),
        )
        return heartbeat.encode(beat)

    def may_answer(self, address: Address, now: float) -> bool:
        return now < self.memory.claims.until(self.memory.membership.view, address.packed)

    def held(self, now: float) -> tuple[Address, ...]:
        """The addresses that it may answer for."""
        claims = self.memory.claims.claims
        return tuple(ip_address(each) for each in claims if now < self.memory.claims.until(self.memory.membership.view, each))

    def has_authority(self, now: float) -> bool:
        return now < self.memory.claims.authority_until(self.memory.membership.view)

    def missed(self, now: float) -> tuple[str, ...]:
        """The voters that it does not hear, or that have not acknowledged it of late."""
        membership, votes = self.memory.membership, self.memory.claims.votes
        heard = {each for each in membership.heard(now) if each in votes and now < votes[each].stamp + UP}
        return tuple(each for each in membership.view.members if each not in heard and each != self.name)

    def is_able(self, now: float) -> bool:
        """Whether it may be given addresses."""
        wish = self.memory.wish
        return wish.healthy and not wish.leaving and self.has_authority(now)

    def is_done(self, now: float) -> bool:
        """Whether one that leaves may end: it has handed over, and the others vote without it; or nobody else is there."""
        return self.memory.membership.is_alone(now) or (self._claims_nothing and self.memory.membership.has_left(now))

    @property
    def _claims_nothing(self) -> bool:
        return not self.memory.claims.claims

    def _read_wish(self, wish: Wish) -> None:
        wanted = {ip_address(each.address): frozenset(each.speakers) for each in wish.wanted}
        if getattr(self, "_wanted", None) != wanted:
            self._wanted = wanted
            self._packed = {each.packed: each for each in wanted}
            self._electorate = Electorate(wanted)
            self._electors = None
            for times in (self.memory.last_claimed, self.memory.pauses):
                for each in times.keys() - self._packed.keys():
                    del times[each]

    def _ack(self, other: str, now: float) -> Ack | None:
        record = self.memory.grants.records.get(other)
        if record is None or record.runs_out(now) or not self.memory.grants.may_vote(now):
            return None
        return Ack(record.incarnation, record.stamp, record.generation, tuple(record.refused))

    def _vote(self, beat: Beat, now: float) -> None:
        """Grants what another claims, and answers at once where that is new."""
        grants = self.memory.grants
        record = grants.hear(beat.name, beat.incarnation, beat.stamp, now)
        if record is None:
            return
        if grants.renew(beat.name, record, beat.stamp, now, beat.generation, beat.claims):
            self._tell_waiting(now)
        if beat.claims is not None:
            self.outbox.add(beat.name)

    def _tell_waiting(self, now: float) -> None:
        for name in self.memory.grants.retry(now):
            if name != self.name:
                self.outbox.add(name)
            else:
                self._count_own_vote(now)

    def _vote_for_itself(self, now: float) -> None:
        memory = self.memory
        record = memory.grants.hear(self.name, memory.incarnation, now, now)
        if record is None:
            return
        claims = None if record.generation == memory.claims.generation else tuple(memory.claims.claims)
        if memory.grants.renew(self.name, record, now, now, memory.claims.generation, claims):
            self._tell_waiting(now)
        self._count_own_vote(now)

    def _count_own_vote(self, now: float) -> None:
        record = self.memory.grants.records[self.name]
        if self.memory.grants.may_vote(now) and record.incarnation == self.memory.incarnation:
            self.memory.claims.acknowledged(self.name, record.stamp, record.generation, record.refused)

    def _decide(self, now: float) -> None:
        """What to claim from now on; the others and the own vote hear of it at once."""
        memory = self.memory
        add, drop = self._changes(now)
        if memory.claims.change(add, drop, now):
            for each in (*add, *drop):
                memory.last_claimed[each] = now
            self._vote_for_itself(now)
            self.outbox |= self.others

    def _changes(self, now: float) -> tuple[list[bytes], list[bytes]]:
        claims, membership = self.memory.claims, self.memory.membership
        if not self.has_authority(now) or not self.memory.wish.healthy:
            return [], list(claims.claims)
        others = membership.candidates(now)
        elected = self._elect(others | {self.name} if self.is_able(now) else others)
        asked = self._asked(others)
        drop = [each for each in claims.claims if self._gives_up(each, elected, asked, now)]
        mine = [address.packed for address, name in elected.items() if name == self.name]
        mine += self._orphans(asked, others, now) if self.is_able(now) else []
        add = [each for each in mine if each not in claims.claims and now >= self.memory.pauses.get(each, 0.0)]
        return add, drop

    def _elect(self, candidates: frozenset[str]) -> Mapping[Address, str]:
        electors = (self._electorate, candidates)
        if self._electors != electors:
            self._elected, self._electors = self._electorate.elect(candidates), electors
        return self._elected

    def _asked(self, others: Iterable[str]) -> Mapping[bytes, set[str]]:
        """What the others claim that may have it."""
        asked: dict[bytes, set[str]] = {}
        for name in others:
            record = self.memory.grants.records.get(name)
            for each in record.claims if record is not None else ():
                address = self._packed.get(each)
                if address is not None and name in self._wanted[address]:
                    asked.setdefault(each, set()).add(name)
        return asked

    def _gives_up(self, packed: bytes, elected: Mapping[Address, str], asked: Mapping[bytes, set[str]], now: float) -> bool:
        """An address that it holds is given up only to somebody who asks for it; one that it does not hold when the
        claim is of no use.
        """
        address = self._packed.get(packed)
        if address is None or not self._wanted[address]:
            return True
        rivals = asked.get(packed, set())
        is_elected = elected.get(address) == self.name
        if now < self.memory.claims.until(self.memory.membership.view, packed):
            return bool(rivals) and not is_elected
        waited = now - self.memory.claims.claims[packed].since
        mine = rank(packed, self.name)
        lower = waited > CONTEST and any(rank(packed, each) > mine for each in rivals)
        if lower or waited > FUTILE:
            self.memory.pauses[packed] = now + FUTILE * (1 + (mine + self.memory.claims.generation * 7919) % 1000 / 1000)
            return True
        return bool(rivals) and not is_elected

    def _orphans(self, asked: Mapping[bytes, set[str]], others: frozenset[str], now: float) -> list[bytes]:
        """Addresses that nobody claims, though the election names somebody: those who see different speakers may each
        name another.
        """
        found = []
        for packed, address in self._packed.items():
            if packed in asked or packed in self.memory.claims.claims:
                self.memory.last_claimed[packed] = now
                continue
            since = self.memory.last_claimed.setdefault(packed, now)
            if now < since + ORPHAN or self.name not in self._wanted[address]:
                continue
            better = sum(1 for each in others & self._wanted[address] if rank(packed, each) > rank(packed, self.name))
            if now >= since + ORPHAN * (1 + better):
                found.append(packed)
        return found
