"""Keeps one BGP session: starts its process again when that ends or is stuck, tells it the routes, knows what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from moorage.announce import exabgp
from moorage.announce.bgp_peers import Session
from moorage.announce.bgp_routes import Route
from moorage.announce.exabgp_io import ExaBGP
from moorage.announce.local_addresses_io import beside, source_to
from moorage.model.errors import HostError
from moorage.model.net import Address, Family, Prefix
from moorage.model.reason import Reason

RETRY_SECONDS = 1.0
LOOK_SECONDS = 1.0
SAY_SECONDS = 15.0
"""A session that is not up by then is told of."""
WITHDRAW_SECONDS = 2.0
"""How long withdrawals may stand still before the session is closed. ExaBGP sends about 1,000 a second."""
WRONG_PEER_SECONDS = 30.0
_ATTEMPTS = 5
"""ExaBGP's pauses between attempts grow by a fifth, to 60 s: they reach `connectTime` after about five of these."""

Say = Callable[[Reason, str, bool], None]

log = structlog.get_logger()


class SessionKeeper:
    """`say` tells an event (reason, message, is it a warning); `changed` is called when `up`, `sent` or `source` change."""

    def __init__(self, session: Session, say: Say, changed: Callable[[], None]) -> None:
        self.session = session
        self.up = False
        self.established = 0
        """How many times the session came up."""
        self.sent: frozenset[Prefix] = frozenset()
        """What the peer has been sent and not been sent a withdrawal of."""
        self.source: Address | None = None
        self._say = say
        self._changed = changed
        self._routes: Mapping[Prefix, Route] = {}
        self._ordered: Mapping[Prefix, Route] = {}
        self._next_hops: Mapping[Family, Address] = {}
        self._process: ExaBGP | None = None
        self._again = asyncio.Event()
        self._at_once = False
        self._wrong_peer = False
        self._failure = ""
        self._peer_asn = 0
        self._task = asyncio.create_task(self._run(), name=f"BGP session {session.peer}")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def announce(self, routes: Mapping[Prefix, Route]) -> None:
        """These and no others, now and after every restart."""
        self._routes = routes
        self._order()

    def change(self, session: Session) -> None:
        """Starts the session again with other settings."""
        self.session = session
        self._again.set()

    def path_lost(self) -> None:
        """BFD says that the peer is out of reach: the session ends at once, and is tried again."""
        self._at_once = True
        self._again.set()

    def path_found(self) -> None:
        """BFD says that the peer is in reach: a session that waits for its next attempt begins it now."""
        if not self.up:
            self._again.set()

    async def withdraw(self) -> None:
        """Takes every route back, and waits until the peer has been told, for as long as that goes on."""
        self.announce({})
        left, since = self.sent, asyncio.get_running_loop().time()
        while self.up and self.sent and asyncio.get_running_loop().time() < since + WITHDRAW_SECONDS:
            await asyncio.sleep(0.01)
            if self.sent != left:
                left, since = self.sent, asyncio.get_running_loop().time()

    async def close(self, *, kill: bool = False) -> None:
        """Ends the session; `kill` leaves the routes with a peer that knows graceful restart."""
        self._at_once = kill
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
            except HostError as error:
                self._tell_failure(f"no session with {self.session.address}: {error}")
            await asyncio.sleep(WRONG_PEER_SECONDS if self._wrong_peer else RETRY_SECONDS)
            self._wrong_peer = False

    async def _serve(self) -> None:
        """One process, from its start to its end."""
        self._again.clear()
        session = self.session
        source = session.source or source_to(session.address)
        self._next_hops = {**session.addresses, **await beside(source)}
        process = ExaBGP(session, source, self._hear)
        self._at_once = False
        try:
            await process.start()
            self._process, self._ordered = process, {}
            if source != self.source:
                self.source = source
                self._changed()
            self._order()
            await self._until_over(process)
        finally:
            self._process = None
            await process.stop(kill=self._at_once)
            self._is_down("the session was ended")

    async def _until_over(self, process: ExaBGP) -> None:
        ended = asyncio.ensure_future(process.ended())
        again = asyncio.ensure_future(self._again.wait())
        begun = asyncio.get_running_loop().time()
        try:
            while True:
                done, _ = await asyncio.wait((ended, again), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if ended in done:
                    raise HostError(f"ExaBGP ended (exit status {ended.result()}): {process.last_words}")
                if again in done:
                    return
                if process.stuck:
                    self._at_once = True
                    raise HostError("ExaBGP does not answer, and is started again")
                waited = asyncio.get_running_loop().time() - begun
                if not self.up and self.established == 0 and waited > SAY_SECONDS:
                    self._tell_failure(self._unanswered(process))
                if not self.up and self.session.connect and waited > _ATTEMPTS * self.session.connect:
                    return
        finally:
            ended.cancel()
            again.cancel()

    def _order(self) -> None:
        if self._process is not None:
            routes = {prefix: each for prefix, each in self._routes.items() if Family.of(prefix) in self._next_hops}
            self._process.order(exabgp.differences(self._ordered, routes, self._next_hops))
            self._ordered = routes
            for prefix in self._routes.keys() - routes.keys():
                self._tell_failure(
                    f"{prefix} is not announced: there is no {Family.of(prefix).value} address to be the next hop"
                )

    def _hear(self, told: exabgp.Told) -> None:
        match told:
            case exabgp.Opened(peer_asn):
                self._peer_asn = peer_asn
            case exabgp.Up():
                self._is_up(self._peer_asn)
            case exabgp.Down(reason):
                self._is_down(reason)
            case exabgp.Sent(announced, withdrawn):
                self.sent = (self.sent - set(withdrawn)) | set(announced)
                self._changed()

    def _is_up(self, peer_asn: int) -> None:
        session = self.session
        if session.peer_asn is None and peer_asn == session.local_asn:
            self._tell_failure(f"{session.address} is of our own AS {peer_asn}, and spec.dynamicASN is external")
            self._wrong_peer = True
            self._again.set()
            return
        self.up, self.sent, self._failure = True, frozenset(), ""
        self.established += 1
        if self._process is not None:
            self._process.order(exabgp.end_of_rib(session.families))
        self._say(Reason.BGP_SESSION_UP, f"session with {session.address}, AS {peer_asn}", False)
        self._changed()

    def _is_down(self, reason: str) -> None:
        if self.up:
            self.up, self.sent = False, frozenset()
            self._say(Reason.BGP_SESSION_DOWN, f"session with {self.session.address}: {reason}", True)
            self._changed()

    def _tell_failure(self, failure: str) -> None:
        """Says each different failure once in a row."""
        if failure != self._failure:
            self._failure = failure
            self._say(Reason.BGP_SESSION_DOWN, failure, True)

    def _unanswered(self, process: ExaBGP) -> str:
        hint = " (is the password the same on both sides?)" if self.session.password else ""
        return f"no session with {self.session.address} yet: {process.last_words or 'the peer does not answer'}{hint}"
