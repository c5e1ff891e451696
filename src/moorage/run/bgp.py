"""BGP of one node: what the API says of peers, pools and advertisements becomes sessions and routes.

    snapshot (+ peers, pools, advertisements) -> sessions, routes -> BGPSpeaker -> routers
                                                 what was sent    -> ServiceBGPStatus, events, figures

No program is started before a BGPPeer selects the node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from moorage.announce.bgp_peers import Problem, Sessions, peers_of, secret_key, sessions
from moorage.announce.bgp_routes import Routes, routes
from moorage.announce.bgp_status import peers_by_service, statuses
from moorage.announce.selection import bgp_wishes
from moorage.model.cluster import Node, eligible
from moorage.model.config import Secret
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, ServiceBGPStatus
from moorage.model.ports import Client
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.observe.figures import BGPPeerFigures, Figures
from moorage.run.bgp_passwords import Passwords
from moorage.run.status_keeper import StatusKeeper
from moorage.run.tell_io import Teller

if TYPE_CHECKING:
    from moorage.announce.bgp_io import BGPSpeaker

LOOK_SECONDS = 0.25
"""Between two looks at this node's health, while it speaks BGP."""
GOODBYE_SECONDS = 2.0

ASKED = (Service, EndpointSlice, Node, IPAddressPool, BGPPeer, BGPAdvertisement, Community, BFDProfile)
"""The kinds that sessions and routes are made of."""

log = structlog.get_logger()


def _judge(snapshot: Snapshot, node_name: str, secrets: Mapping[Key, Secret | None], healthy: bool) -> tuple[Sessions, Routes]:
    """A node that does not forward keeps its sessions, and announces nothing."""
    node = snapshot.get(Node, Key("", node_name))
    made = sessions(snapshot, node, secrets) if node is not None else Sessions()
    wishes = bgp_wishes(snapshot, node_name) if healthy else {}
    return made, routes(snapshot, wishes, made.sessions)


class _Judged:
    """What the last look was about. The objects of a kind and Secrets are compared by identity: they are never altered."""

    def __init__(self, snapshot: Snapshot, secrets: Mapping[Key, Secret | None], healthy: bool) -> None:
        self._parts = (*(snapshot.by_type.get(each) for each in ASKED), secrets)
        self._healthy = healthy

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Judged):
            return NotImplemented
        same = all(one is two for one, two in zip(self._parts, other._parts, strict=True))
        return same and self._healthy == other._healthy

    __hash__ = None  # type: ignore[assignment]


class BGP:
    """`snapshot` gives ASKED, None while unknown; `moved` is to be called with each of its changes. `healthy` is whether this
    node forwards.
    """

    def __init__(
        self,
        node: str,
        client: Client,
        teller: Teller,
        snapshot: Callable[[], Snapshot | None],
        healthy: Callable[[], bool],
        figures: Figures,
    ) -> None:
        self._node = node
        self._client = client
        self._teller = teller
        self._snapshot = snapshot
        self._healthy = healthy
        self._figures = figures
        self._speaker: BGPSpeaker | None = None
        self._seen: Snapshot = Snapshot()
        self._judged: _Judged | None = None
        self._routes = Routes()
        self._problems: frozenset[tuple[Key, str]] = frozenset()
        self._moved = asyncio.Event()
        self._passwords = Passwords(client, self._moved.set)
        self._statuses = StatusKeeper(client, ServiceBGPStatus, node, self._wanted_statuses)

    def moved(self, changes: Changes) -> None:
        if changes.everything or any(changes.of(each) for each in ASKED):
            self.look_again()

    def look_again(self) -> None:
        """The node's health is another."""
        self._moved.set()

    async def run(self) -> None:
        """Speaks until cancelled; then takes its routes back, but for peers that keep them while an eligible node restarts."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._passwords.run(), name="BGP passwords")
                tasks.create_task(self._statuses.run(), name="BGP statuses")
                while True:
                    await self._wait()
                    await self._look()
        finally:
            await self._leave()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(None if self._speaker is None else LOOK_SECONDS):
                await self._moved.wait()
        except TimeoutError:
            return
        self._moved.clear()

    async def _look(self) -> None:
        snapshot = self._snapshot()
        if snapshot is None:
            return
        node = snapshot.get(Node, Key("", self._node))
        peers = peers_of(snapshot, node) if node is not None else ()
        healthy = self._healthy()
        if self._speaker is None:
            if not peers or not healthy:
                return
            from moorage.announce.bgp_io import BGPSpeaker  # it loads pyroute2, which takes 0.2 s

            self._speaker = await BGPSpeaker(self._say, self._hear).__aenter__()
        self._passwords.want(frozenset(key for peer in peers if (key := secret_key(peer)) is not None))
        judged = _Judged(snapshot, self._passwords.known, healthy)
        if judged != self._judged:
            self._judged, self._seen = judged, snapshot
            await self._speak(self._speaker, snapshot, healthy)

    async def _speak(self, speaker: BGPSpeaker, snapshot: Snapshot, healthy: bool) -> None:
        """Judged on a thread: 5,000 announced Services take 0.35 s, and forwarding does not wait for that."""
        begun = time.monotonic()
        made, self._routes = await asyncio.to_thread(_judge, snapshot, self._node, self._passwords.known, healthy)
        self._tell((*made.problems, *self._routes.problems))
        speaker.follow(made.sessions, self._routes.routes)
        self._hear()
        await asyncio.sleep(time.monotonic() - begun)

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        """Each problem once, for as long as it lasts."""
        now = {(each.about.key, each.message): each for each in problems}
        for key in now.keys() - self._problems:
            self._teller.say(now[key].reason, now[key].message, now[key].about)
        self._problems = frozenset(now)

    def _say(self, peer: Key, reason: Reason, message: str, warning: bool) -> None:
        about = self._seen.get(BGPPeer, peer)
        self._teller.say(reason, f"{self._node}: {message}", about, warning=warning)

    def _hear(self) -> None:
        if self._speaker is not None:
            self._figures.bgp_peers = {
                str(key): BGPPeerFigures(each.up, len(each.sent), each.established)
                for key, each in self._speaker.states.items()
            }
            self._statuses.look()

    def _wanted_statuses(self) -> Mapping[Key, ServiceBGPStatus]:
        node = self._seen.get(Node, Key("", self._node))
        if node is None or self._speaker is None:
            return {}
        sent = {key: each.sent for key, each in self._speaker.states.items()}
        return statuses(node, peers_by_service(self._routes.services, sent))

    async def _leave(self) -> None:
        if self._speaker is None:
            return
        hold = self._healthy() and eligible(self._seen.get(Node, Key("", self._node)))
        await self._speaker.leave(hold=hold)
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._statuses.take_away()
        except TimeoutError:
            log.warning("the statuses of BGP are left as they are: the API server does not answer")
