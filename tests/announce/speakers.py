"""A small world of speakers without any socket: virtual time, a network that loses and delays, an API that some cannot
reach.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from itertools import pairwise

from msgspec.structs import replace

from moorage.announce import heartbeat
from moorage.announce.speaker import Speaker
from moorage.announce.timing import BEAT
from moorage.announce.wish import View, Wanted, Wish
from moorage.model.net import Address

BASE = int(IPv4Address("198.18.100.0"))
AGENT = 0.03
"""Seconds between two looks of an agent at the API."""


class Machine:
    """A node: its speaker, while it runs, and the agent beside it. A paused one does nothing and loses nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.speaker: Speaker | None = None
        self.paused_until = 0.0
        self.api = True
        self.eligible = True
        self.healthy = True
        self.leaving = False
        self.renewed = 0.0


class World:
    def __init__(self, count: int, addresses: int, seed: int) -> None:
        self.now = 1000.0
        self.random = random.Random(seed)
        self.machines = {f"node-{number}": Machine(f"node-{number}") for number in range(count)}
        self.addresses = tuple(IPv4Address(BASE + number) for number in range(addresses))
        self.view = View()
        self.loss = 0.0
        self.delay = 0.0005
        self.cut: set[tuple[str, str]] = set()
        self.history: dict[Address, list[tuple[float, str]]] = {each: [] for each in self.addresses}
        """Who answered for an address from when on; an empty name is nobody."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        for machine in self.machines.values():
            self.boot(machine.name)
            self._later(self.random.random() * BEAT, lambda each=machine: self._tick(each))  # type: ignore[misc]
            self._later(self.random.random() * AGENT, lambda each=machine: self._agent(each))  # type: ignore[misc]

    def boot(self, name: str) -> None:
        """A new run without memory."""
        self.machines[name].speaker = Speaker.begin(name, self.random.getrandbits(48), self.now)

    def crash(self, name: str) -> None:
        self.machines[name].speaker = None

    def hand_over(self, name: str) -> None:
        """The speaker's memory goes to a new process."""
        speaker = self.machines[name].speaker
        if speaker is not None:
            self.machines[name].speaker = Speaker.resume(speaker.remember())

    def partition(self, side: Sequence[str]) -> None:
        """Those and the others do not hear each other."""
        others = set(self.machines) - set(side)
        self.cut |= {pair for one in side for other in others for pair in ((one, other), (other, one))}

    def heal(self) -> None:
        self.cut, self.loss, self.delay = set(), 0.0, 0.0005
        for name, each in self.machines.items():
            each.paused_until, each.api, each.eligible, each.healthy, each.leaving = 0.0, True, True, True, False
            if each.speaker is None:
                self.boot(name)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
            self._judge()
        self.now = end
        self._judge()

    def owners(self, address: Address) -> list[str]:
        return [
            name
            for name, each in self.machines.items()
            if each.speaker is not None and each.speaker.may_answer(address, self.now)
        ]

    def silence(self, address: Address, since: float) -> float:
        """The longest time since then that nobody answered, in seconds."""
        changes = [*self.history[address], (self.now, "end")]
        gaps = [later - max(at, since) for (at, name), (later, _) in pairwise(changes) if not name and later > since]
        return max(gaps, default=0.0)

    def _judge(self) -> None:
        for address in self.addresses:
            owners = self.owners(address)
            assert len(owners) <= 1, f"{address} is answered for by {owners} at {self.now}"
            owner = owners[0] if owners else ""
            history = self.history[address]
            if not history or history[-1][1] != owner:
                history.append((self.now, owner))

    def _later(self, seconds: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, event))

    def _tick(self, machine: Machine) -> None:
        self._later(BEAT, lambda: self._tick(machine))
        if machine.speaker is not None and self.now >= machine.paused_until:
            machine.speaker.tick(self.now)
            self._send(machine)

    def _send(self, machine: Machine) -> None:
        speaker = machine.speaker
        assert speaker is not None
        waiting, speaker.outbox = speaker.outbox, set()
        for name in sorted(waiting):
            datagram = speaker.beat_for(name, self.now)
            if (machine.name, name) in self.cut or self.random.random() < self.loss:
                continue
            self._later(self.random.random() * self.delay, lambda to=name, data=datagram: self._arrive(to, data))  # type: ignore[misc]

    def _arrive(self, name: str, datagram: bytes) -> None:
        machine = self.machines[name]
        if self.now < machine.paused_until:
            self._later(machine.paused_until - self.now, lambda: self._arrive(name, datagram))
        elif machine.speaker is not None:
            beat = heartbeat.decode(datagram)
            assert beat is not None
            machine.speaker.receive(beat, self.now)
            self._send(machine)

    def _agent(self, machine: Machine) -> None:
        self._later(AGENT, lambda: self._agent(machine))
        speaker = machine.speaker
        if speaker is None or self.now < machine.paused_until:
            return
        wish = self.wish(machine)
        if not machine.api:
            known = speaker.memory.wish
            wish = replace(known, heard=False, healthy=machine.healthy, leaving=machine.leaving)
        elif speaker.proposal is not None and speaker.proposal.epoch == self.view.epoch + 1:
            self.view = speaker.proposal
            wish = replace(wish, view=self.view)
        if machine.api:
            machine.renewed = self.now
        speaker.follow(wish, self.now)
        self._send(machine)

    def wish(self, machine: Machine) -> Wish:
        able = tuple(name for name, each in self.machines.items() if each.eligible)
        return Wish(
            name=machine.name,
            peers={name: (f"198.18.0.{number}",) for number, name in enumerate(self.machines)},
            wanted=tuple(Wanted(str(each), able) for each in self.addresses),
            view=self.view,
            heard=True,
            gone=tuple(name for name, each in self.machines.items() if self.now > each.renewed + 2.0),
            healthy=machine.healthy,
            leaving=machine.leaving,
        )
