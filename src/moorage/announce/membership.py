"""Who of the speakers is there, who of them votes, and which change of the voters to ask the API for."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from moorage.announce.timing import DOWN, JOIN, STEP_RETRY, UP
from moorage.announce.wish import View, Wish


class Peer(msgspec.Struct):
    """Another speaker as it was last heard, `since` when without a gap of UP. `epoch` is the newest view it is known to
    have.
    """

    incarnation: int
    stamp: float
    heard: float
    since: float
    epoch: int = 0
    able: bool = False

    def is_heard(self, now: float) -> bool:
        return now < self.heard + UP

    def has_joined(self, now: float) -> bool:
        return self.is_heard(now) and now >= self.since + JOIN


class Membership(msgspec.Struct):
    name: str
    view: View = View()
    peers: dict[str, Peer] = msgspec.field(default_factory=dict)
    settled: float | None = None
    """Since when a majority of the view is known to have it."""
    pending: float | None = None
    """Since when a change of the view is called for."""

    def hear(self, name: str, incarnation: int, stamp: float, now: float) -> Peer | None:
        """The speaker that a heartbeat came from, or None where a newer one came before it."""
        peer = self.peers.get(name)
        if peer is None or peer.incarnation != incarnation:
            epoch = 0 if peer is None else peer.epoch
            peer = self.peers[name] = Peer(incarnation, stamp, now, now, epoch)
            return peer
        if stamp <= peer.stamp:
            return None
        if not peer.is_heard(now):
            peer.since = now
        peer.stamp, peer.heard = stamp, now
        return peer

    def adopt(self, view: View) -> bool:
        """Takes a newer view; whether it is one."""
        if view.epoch <= self.view.epoch:
            return False
        self.view, self.settled, self.pending = view, None, None
        return True

    def heard(self, now: float) -> set[str]:
        """Everybody heard of late, this speaker included."""
        return {self.name} | {name for name, each in self.peers.items() if each.is_heard(now)}

    def candidates(self, now: float) -> frozenset[str]:
        """The others that may be given addresses."""
        return frozenset(name for name, each in self.peers.items() if each.able and each.has_joined(now))

    def is_alone(self, now: float) -> bool:
        return self.heard(now) == {self.name}

    def has_left(self, now: float) -> bool:
        """Whether this speaker does not vote, and everybody heard knows it: nobody waits for its vote."""
        others = self.heard(now) - {self.name}
        return self.name not in self.view.members and all(self._epoch(each) >= self.view.epoch for each in others)

    def proposal(self, wish: Wish, authority: bool, leaves: bool, now: float) -> View | None:
        """The view that should follow, or None. Everybody may ask for it, those whose names come first do so first.

        A view is followed by another only when a majority has had it for UP: nobody then holds anything by the one
        before it. One that `leaves` asks for a view without itself while it still votes: the others, who may be half of
        the voters, do not have to find out that it is gone.
        """
        self._settle(now)
        members = self._next(wish, authority, leaves, now) if wish.heard else None
        if members is None:
            self.pending = None
            return None
        if self.pending is None:
            self.pending = now
        turn = sorted(self.heard(now) & {*wish.peers, self.name}).index(self.name)
        if leaves or self._is_halved(now):
            turn = 0
        if now < self.pending + turn * STEP_RETRY:
            return None
        return View(self.view.epoch + 1, members)

    def _settle(self, now: float) -> None:
        has = sum(1 for each in self.view.members if each == self.name or self._epoch(each) >= self.view.epoch)
        if self.settled is None and self.view.epoch and has >= self.view.majority:
            self.settled = now

    def _epoch(self, name: str) -> int:
        peer = self.peers.get(name)
        return 0 if peer is None else peer.epoch

    def _next(self, wish: Wish, authority: bool, leaves: bool, now: float) -> tuple[str, ...] | None:
        members, here = set(self.view.members), self.heard(now)
        if not members:
            return (self.name,)
        if not authority and (members - here) and members - here <= set(wish.lost):
            return tuple(sorted(members & here)) or (self.name,)
        if self.settled is None or now < self.settled + UP:
            return None
        if leaves and authority and members > {self.name}:
            return tuple(sorted(members - {self.name}))
        if leaver := self._leaver(wish, authority, now):
            return tuple(sorted(members - {leaver}))
        if authority and (joiner := self._joiner(wish, members, now)):
            return tuple(sorted(members | {joiner}))
        return None

    def _leaver(self, wish: Wish, authority: bool, now: float) -> str | None:
        """A voter to leave out: one that is gone and not heard, or, where exactly half of the voters are there, any
        that is not.
        """
        silent = sorted(each for each in self.view.members if each != self.name and self._is_silent(each, now))
        gone: Collection[str] = set(wish.gone) | set(wish.lost)
        if authority:
            return next((each for each in silent if each in gone), None)
        return silent[0] if silent and self._is_halved(now) else None

    def _is_halved(self, now: float) -> bool:
        """Whether exactly half of the voters are there, this one among them."""
        members = self.view.members
        there = [each for each in members if each == self.name or not self._is_silent(each, now)]
        return self.name in members and 2 * len(there) == len(members)

    def _is_silent(self, name: str, now: float) -> bool:
        peer = self.peers.get(name)
        return peer is None or now >= peer.heard + DOWN

    def _joiner(self, wish: Wish, members: Collection[str], now: float) -> str | None:
        """Somebody to take in. One that leaves, or cannot have addresses yet, is not."""
        everybody = sorted(set(wish.peers) - set(members) - set(wish.gone))
        if self.name in everybody and not wish.leaving:
            return self.name
        able = self.candidates(now)
        return next((each for each in everybody if each in able), None)
