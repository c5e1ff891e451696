"""The speaker as a program: one loop over raw sockets, heartbeats, the pipe from its agent, and a clock.

    standard input    lines of JSON: Wish       standard output    lines of JSON: State, when it changes and every
    second

It goes on for HOLD without its agent, so an upgrade interrupts nobody, and then hands over and ends.
"""

from __future__ import annotations

import gc
import os
import secrets
import selectors
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address

import msgspec
from msgspec.structs import replace

from moorage.announce.arp import Arp
from moorage.announce.beats_io import Beats
from moorage.announce.clock_io import clock
from moorage.announce.inherit_io import bequeath, door_of, heir, inherit
from moorage.announce.ndp import Ndp
from moorage.announce.repeats import Repeats
from moorage.announce.speaker import Speaker
from moorage.announce.timing import BEAT, HOLD, LEAVE
from moorage.announce.wire_io import Wire
from moorage.announce.wish import Conflict, State, Wish
from moorage.model.announcing import Group
from moorage.model.errors import HostError
from moorage.model.net import Address

TELL_AT_ONCE = 200
"""Addresses that are told between two looks at the sockets: 5,000 of them hold up no heartbeat."""
READ_AT_ONCE = 64
CHECK = 1.0
"""Seconds between two looks at the interfaces, and the longest between two lines to the agent."""
REMEMBER_CONFLICT = 10.0
PRIORITY = 1

Told = socket.socket | int


def be_prompt() -> None:
    """Asks the kernel to let this process run before others. Without the right to that it runs like all."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))


class SpeakerLoop:
    """`run` returns when the speaker has handed over, or given way to its next run."""

    def __init__(self, group: Group, name: str, door: socket.socket, memory: bytes) -> None:
        self._door = door
        self._speaker = _awake(name, memory)
        self._name = name
        self._beats = Beats(name, group.port)
        self._wires: dict[str, Wire] = {}
        self._at: dict[Address, frozenset[str]] = {}
        self._repeats = Repeats()
        self._conflicts: dict[Conflict, float] = {}
        self._refused: tuple[str, ...] = ()
        self._counts = State()
        self._told = b""
        self._heard = b""
        self._selector = selectors.DefaultSelector()
        self._alone_from = clock() + HOLD
        self._leaving_since: float | None = None
        self._ends = False
        self._held: frozenset[Address] = frozenset()
        self._had_authority = False

    def run(self) -> None:
        os.set_blocking(sys.stdin.fileno(), False)
        os.set_blocking(sys.stdout.fileno(), False)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_wish)
        self._selector.register(self._door, selectors.EVENT_READ, self._give_way)
        self._arrange(clock())
        due = checked = clock()
        while not self._ends:
            now = clock()
            if now >= due:
                due = max(due + BEAT, now)
                self._judge_agent(now)
                self._speaker.tick(now)
                if now >= checked + CHECK:
                    checked = now
                    self._arrange(now)
                self._settle(now, regular=True)
            for key, _ in self._selector.select(max(0.0, due - clock())):
                key.data(key.fileobj)
            self._send()
            self._settle(clock())
        self._close()

    def _settle(self, now: float, *, regular: bool = False) -> None:
        """Sends what is due, tells neighbours of what is new, and the agent of what has changed."""
        self._send()
        held = frozenset(self._speaker.held(now))
        if held != self._held:
            new, _ = self._repeats.hold(held, now)
            self._counts = replace(self._counts, taken=self._counts.taken + len(new))
            self._held = held
        for address in self._repeats.due(now, TELL_AT_ONCE):
            if self._speaker.may_answer(address, clock()):
                for wire in self._wires_of(address):
                    wire.tell(address)
        if regular:
            authority = self._speaker.has_authority(now)
            self._counts = replace(self._counts, isolations=self._counts.isolations + (self._had_authority and not authority))
            self._had_authority = authority
            self._tell_agent(now)

    def _send(self) -> None:
        waiting, self._speaker.outbox = self._speaker.outbox, set()
        for name in waiting:
            self._beats.send(name, self._speaker.beat_for(name, clock()))

    def _tell_agent(self, now: float) -> None:
        self._conflicts = {each: at for each, at in self._conflicts.items() if now < at + REMEMBER_CONFLICT}
        membership = self._speaker.memory.membership
        state = replace(
            self._counts,
            held=tuple(sorted(map(str, self._held))),
            peers=tuple(sorted(membership.heard(now))),
            missed=self._speaker.missed(now),
            authority=self._had_authority,
            view=membership.view,
            proposal=self._speaker.proposal,
            conflicts=tuple(self._conflicts),
            refused=self._refused,
        )
        line = msgspec.json.encode(state) + b"\n"
        if line != self._told:
            with suppress(OSError):  # the agent is gone, or far behind: the next line says it again
                os.write(sys.stdout.fileno(), line)
                self._told = line

    def _read_wish(self, pipe: Told) -> None:
        try:
            data = os.read(sys.stdin.fileno(), 1 << 20)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(pipe)
            self._follow(replace(self._speaker.memory.wish, heard=False))
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        if lines:
            self._alone_from = clock() + HOLD
            self._follow(msgspec.json.decode(lines[-1], type=Wish))

    def _follow(self, wish: Wish) -> None:
        now = clock()
        self._leaving_since = (self._leaving_since or now) if wish.leaving else None
        self._speaker.follow(wish, now)
        self._arrange(now)

    def _judge_agent(self, now: float) -> None:
        """An agent that has said nothing for long does not know whether this machine still forwards."""
        wish = self._speaker.memory.wish
        if now >= self._alone_from and not wish.leaving:
            self._follow(replace(wish, heard=False, leaving=True))
        if self._leaving_since is not None:
            self._ends = self._speaker.is_done(now) or now > self._leaving_since + LEAVE

    def _give_way(self, door: Told) -> None:
        """The next run goes on from this moment: nothing is granted, claimed or answered here any more."""
        came = heir(self._door)
        if came is not None:
            self._close()
            bequeath(came, self._speaker.remember())
            self._ends = True

    def _arrange(self, now: float) -> None:
        """Opens and closes sockets as the wish and the interfaces of this moment ask for."""
        wish = self._speaker.memory.wish
        self._at = {ip_address(each.address): frozenset(each.interfaces) for each in wish.wanted}
        wanted = {name for each in wish.wanted for name in each.interfaces}
        refused = list(self._beats.follow(wish.peers))
        for name in [name for name, wire in self._wires.items() if name not in wanted or wire.is_stale()]:
            wire = self._wires.pop(name)
            for each in wire.sockets:
                self._selector.unregister(each)
            wire.close()
        for name in sorted(wanted - self._wires.keys()):
            try:
                wire = self._wires[name] = Wire(name)
            except HostError as error:
                refused.append(str(error))
                continue
            for each in wire.sockets:
                self._selector.register(each, selectors.EVENT_READ, lambda ready, at=wire: self._hear(at, ready))
            for address in self._held:
                self._repeats.again(address, now)
        for name, wire in self._wires.items():
            wire.listen_for(address for address, names in self._at.items() if name in names)
        registered = {key.fileobj for key in self._selector.get_map().values()}
        for each in self._beats.sockets:
            if each not in registered:
                self._selector.register(each, selectors.EVENT_READ, self._receive)
        self._refused = tuple(refused)

    def _wires_of(self, address: Address) -> list[Wire]:
        names = self._at.get(address, frozenset())
        return [wire for name, wire in self._wires.items() if name in names]

    def _receive(self, ready: Told) -> None:
        assert isinstance(ready, socket.socket)
        for _ in range(READ_AT_ONCE):
            beat = self._beats.read(ready)
            if beat is None:
                return
            self._speaker.receive(beat, clock())

    def _hear(self, wire: Wire, ready: Told) -> None:
        """A question is answered while the right to do so holds, and not a moment longer."""
        assert isinstance(ready, socket.socket)
        heard = wire.read(ready)
        if heard is None or any(heard.mac == each.mac for each in self._wires.values()):
            return
        if heard.asks and wire in self._wires_of(heard.target) and self._speaker.may_answer(heard.target, clock()):
            wire.answer(heard)
        said = heard.sender if isinstance(heard, Arp) else heard.target
        if (isinstance(heard, Arp) or not heard.asks) and said in self._held and self._speaker.may_answer(said, clock()):
            self._contradict(wire, heard, said)

    def _contradict(self, wire: Wire, heard: Arp | Ndp, address: Address) -> None:
        """Somebody else says that it has an address of ours."""
        now = clock()
        conflict = Conflict(str(address), wire.interface, heard.mac.hex(":"))
        if now > self._conflicts.get(conflict, -CHECK) + CHECK:
            self._repeats.again(address, now)
            self._conflicts[conflict] = now
        self._counts = replace(self._counts, conflicts_seen=self._counts.conflicts_seen + 1)

    def _close(self) -> None:
        self._beats.close()
        self._door.close()
        for each in self._wires.values():
            each.close()
        self._wires.clear()


def _awake(name: str, memory: bytes) -> Speaker:
    """With the memory of the run before; one that cannot be read, or was another node's, counts for nothing."""
    if memory:
        with suppress(msgspec.DecodeError, msgspec.ValidationError):
            speaker = Speaker.resume(memory)
            if speaker.name == name:
                speaker.memory.wish = replace(speaker.memory.wish, heard=False, leaving=False)
                return speaker
    return Speaker.begin(name, secrets.randbits(48), clock())


def speak(group: Group, name: str) -> None:
    """The whole program."""
    door, memory = inherit(door_of(group))
    be_prompt()
    SpeakerLoop(group, name, door, memory).run()
