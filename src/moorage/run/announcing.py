"""A node or an edge announces load-balancer addresses by L2: the cluster and this machine become the wish of the speaker,
and what the speaker says becomes ServiceL2Status objects, events and metrics.

    Services, slices, Nodes, pools, L2Advertisements -> its Part -> Wish -> speaker -> State -> events, statuses
                                              Leases ->                                      -> the view, by
    compare-and-swap
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address

import structlog
from msgspec.structs import replace

from moorage.announce.clock_io import clock
from moorage.announce.l2 import announced, statuses, wanted
from moorage.announce.links import Links
from moorage.announce.roll import CALM, DURATION, LOST, RENEW, Roll, view_of
from moorage.announce.selection import L2Wish
from moorage.announce.timing import LEAVE
from moorage.announce.wish import Conflict, State, View, Wish
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, Node
from moorage.model.meta import Key
from moorage.model.metallb import ServiceL2Status
from moorage.model.net import Address
from moorage.model.ports import Client
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.snapshot import Changes, Snapshot
from moorage.run.announcements import Known
from moorage.run.announcing_leases import LeaseWriter
from moorage.run.announcing_part import Part
from moorage.run.speaker_child import SpeakerChild
from moorage.run.status_keeper import StatusKeeper
from moorage.run.tell_io import Teller

LOOK = 0.5
"""Seconds until the wish is made again though nothing has moved: Leases run out."""
LEAST_PAUSE = 0.02
SHARE = 5
"""After the time that it took to choose, so many times that is waited: a large cluster that changes all the time is not
chosen for all the time.
"""
LINKS = 5.0
STATUS_PAUSE = 0.2
LAST_WORDS = 1.0
"""Seconds for what the API is told of at the end."""
SAY_AGAIN = 60.0
"""Seconds until a conflict that goes on is said again."""

log = structlog.get_logger()


class Announcing:
    """`known` is what the agent follows, and `moved` is to be called with each of its changes. `healthy` says whether this
    machine forwards.
    """

    def __init__(self, part: Part, client: Client, known: Known, teller: Teller, healthy: Callable[[], bool]) -> None:
        self._part = part
        self._name = name = part.name
        self._client = client
        self._known = known
        self._teller = teller
        self._healthy = healthy
        self._speaker = SpeakerChild(part.group, name)
        self._roll = Roll(part.group, name)
        self._leases = LeaseWriter(part.group, name, client)
        self._peers: dict[str, tuple[str, ...]] = {}
        self._links = Links()
        self._speakers: frozenset[str] = frozenset()
        self._wishes: Mapping[Address, L2Wish] = {}
        self._wish = Wish(name)
        self._view = View()
        self._changed = True
        self._moved, self._begun = asyncio.Event(), asyncio.Event()
        self._looked, self._alarmed = asyncio.Event(), asyncio.Event()
        self._told: dict[Key, set[str]] | None = None
        self._statuses = StatusKeeper(client, ServiceL2Status, name, self._wanted_statuses, SYSTEM_NAMESPACE)
        self._said: dict[Conflict, float] = {}
        self._had_authority = False
        self._refused: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """What the speaker says of itself, for metrics."""
        return self._speaker.state

    def moved(self, changes: Changes) -> None:
        if changes.everything or any(changes.of(each) for each in self._part.made_of):
            self._changed = True
        if self._changed or changes.of(Lease):
            self.look_again()

    def look_again(self) -> None:
        """This machine's health is another."""
        self._moved.set()

    async def run(self) -> None:
        """Until cancelled. A speaker that stays is left alone then until the next agent; another hands over, while the rest
        goes on: it leaves the view.
        """
        stays = False
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_at_links(), name="links")
                tasks.create_task(self._renew(), name="announce Lease")
                tasks.create_task(self._propose(), name="announce view")
                tasks.create_task(self._report(), name="announce state")
                tasks.create_task(self._statuses.run(), name="announce statuses")
                try:
                    await self._wish_on()
                finally:
                    stays = self._part.stays(self._known.snapshot)
                    if stays:
                        self._speaker.let_go()
                    else:
                        await self._end()
        finally:
            if not stays:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS):
                        await self._statuses.take_away()

    async def _end(self) -> None:
        await self._speaker.end(lambda: replace(self._wish, view=self._view, leaving=True), LEAVE + 1.0)

    async def _look_at_links(self) -> None:
        """Costs something where there are many Pods, so not before there is something to announce."""
        await self._begun.wait()
        from moorage.announce.links_io import read_links  # loading pyroute2 takes 0.14 s

        while True:
            self._links = await read_links()
            self._looked.set()
            self._moved.set()
            await asyncio.sleep(LINKS)

    async def _wish_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK if self._speaker.is_wanted else None):
                    await self._moved.wait()
            except TimeoutError:
                pass
            self._moved.clear()
            since = time.monotonic()
            if self._known.synced:
                await self._wish_once()
            await asyncio.sleep(max(LEAST_PAUSE, SHARE * (time.monotonic() - since)))

    async def _wish_once(self) -> None:
        snapshot, healthy = self._known.snapshot, self._healthy()
        speakers = self._part.group.speakers(snapshot.all(Lease))
        if self._changed or speakers != self._speakers:
            self._changed, self._speakers = False, speakers
            self._wishes = self._part.wishes(snapshot, speakers)
        if not self._part.concerns(snapshot):
            if self._speaker.is_wanted:
                await self._end()
            return
        if not healthy and not self._speaker.is_wanted:
            return
        self._speaker.start()
        self._begun.set()
        self._wish = self._make_wish(snapshot, healthy, clock())
        self._speaker.say(self._wish)

    def _make_wish(self, snapshot: Snapshot, healthy: bool, now: float) -> Wish:
        """Without the API the others stay as they were last known."""
        leases = snapshot.all(Lease)
        if self._roll.hear(self._speaker.state, now):
            self._alarmed.set()
        else:
            self._alarmed.clear()
        self._roll.look(leases, now)
        self._view = max(self._view, view_of(leases.get(self._part.group.view)), key=lambda each: each.epoch)
        heard, own = self._roll.heard(now), self._part.addresses(snapshot, self._links)
        if heard:
            self._peers = self._roll.peers(now, self._view.members)
        fitting = {address: self._links.fitting(address, own) for address in self._wishes}
        everybody = {*self._peers, *self._view.members} - {self._name}
        return Wish(
            name=self._name,
            peers={**self._peers, self._name: tuple(map(str, own))},
            wanted=wanted(self._wishes, self._name, fitting),
            view=self._view,
            heard=heard,
            gone=self._roll.silent(DURATION, everybody, now),
            lost=self._roll.silent(LOST, everybody, now),
            healthy=healthy,
        )

    async def _renew(self) -> None:
        await self._looked.wait()
        while True:
            renewed = False
            if self._speaker.runs:
                snapshot = self._known.snapshot
                renewed = await self._leases.renew(self._part.addresses(snapshot, self._links), snapshot.all(Lease))
            await asyncio.sleep(RENEW)
            if renewed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CALM - RENEW):
                        await self._alarmed.wait()

    async def _propose(self) -> None:
        """Writes the view that the speaker asks for, unless another has been written meanwhile."""
        while True:
            await self._speaker.news.wait()
            self._speaker.news.clear()
            proposal = self._speaker.state.proposal
            if proposal is None or proposal.epoch <= self._view.epoch:
                continue
            written = await self._leases.propose(proposal)
            if written is None:
                await asyncio.sleep(STATUS_PAUSE)
                self._speaker.news.set()
                continue
            log.info("view", epoch=written.epoch, members=written.members)
            self._view = written
            self._moved.set()

    async def _report(self) -> None:
        await self._begun.wait()
        while True:
            await asyncio.sleep(STATUS_PAUSE)
            if not self._known.synced:
                continue
            state = self._speaker.state
            self._say_conflicts(state)
            self._say_authority(state)
            if state.refused != self._refused:
                self._refused = state.refused
                log.warning("the speaker cannot speak everywhere", refused=state.refused)
            at = {each.address: each.interfaces for each in self._wish.wanted}
            services = announced(state.held, self._wishes, at)
            if self._told is None and state == State():
                continue
            for key in services.keys() - (self._told or {}).keys():
                message = f'announcing from {self._part.group.word} "{self._name}" with protocol "layer2"'
                self._teller.say(Reason.NODE_ASSIGNED, message, self._known.snapshot.get(Service, key), warning=False)
            if services != self._told:
                self._told = services
                if self._part.has_statuses:
                    self._statuses.look()

    def _wanted_statuses(self) -> Mapping[Key, ServiceL2Status]:
        return statuses(self._name, self._told or {}, self._known.snapshot.get(Node, Key("", self._name)))

    def _say_conflicts(self, state: State) -> None:
        for conflict in state.conflicts:
            if clock() < self._said.get(conflict, -SAY_AGAIN) + SAY_AGAIN:
                continue
            self._said[conflict] = clock()
            message = f"{conflict.mac} answers for {conflict.address} too, at interface {conflict.interface} of {self._name}"
            wish = self._wishes.get(ip_address(conflict.address))
            for key in wish.services if wish is not None else ():
                self._teller.say(Reason.ADDRESS_CONFLICT, message, self._known.snapshot.get(Service, key))

    def _say_authority(self, state: State) -> None:
        if self._had_authority and not state.authority and state.view.members:
            members = ", ".join(state.view.members)
            self._teller.say(Reason.ANNOUNCER_ISOLATED, f"hears no majority of {members}: announces no address until it does")
        self._had_authority = state.authority
