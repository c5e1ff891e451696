"""Sessions and routes -> BGP spoken: a keeper for each session, and BFD beside those that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType

import msgspec
import structlog

from moorage.announce.bfd import BFDPeer, BFDState
from moorage.announce.bfd_io import BFD
from moorage.announce.bgp_peers import Session
from moorage.announce.bgp_routes import Route
from moorage.announce.bgp_session_io import SessionKeeper
from moorage.model.errors import HostError
from moorage.model.meta import Key
from moorage.model.net import Address, Prefix
from moorage.model.reason import Reason

BFD_RETRY = 5.0

log = structlog.get_logger()


class PeerState(msgspec.Struct, frozen=True):
    """How a session does. `sent` is what the peer has been sent; `established` counts how often the session came up."""

    up: bool
    sent: frozenset[Prefix]
    established: int


class BGPSpeaker:
    """Speaks while it is entered. `say` tells an event about a BGPPeer; `changed` is called when `states` are others.

    Leaving the block without `leave` ends the sessions in good order.
    """

    def __init__(self, say: Callable[[Key, Reason, str, bool], None], changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed
        self._keepers: dict[Key, SessionKeeper] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._bfd = BFD(self._hear_bfd)
        self._paths: dict[Address, bool] = {}
        self._bfd_due = asyncio.Event()
        self._bfd_task: asyncio.Task[None] | None = None
        self._bfd_failure = ""

    async def __aenter__(self) -> BGPSpeaker:
        self._bfd_task = asyncio.create_task(self._keep_bfd(), name="BFD sessions")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave(hold=False)

    @property
    def states(self) -> Mapping[Key, PeerState]:
        return {key: PeerState(each.up, each.sent, each.established) for key, each in self._keepers.items()}

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that run for it."""
        return tuple(each for each in (*(keeper.pid for keeper in self._keepers.values()), self._bfd.pid) if each)

    def follow(self, sessions: Mapping[Key, Session], routes: Mapping[Key, Mapping[Prefix, Route]]) -> None:
        """Makes the sessions these, each with its routes (none, where `routes` has no entry)."""
        for key in [key for key, each in self._keepers.items() if not _is_same_peer(each.session, sessions.get(key))]:
            self._retire(self._keepers.pop(key))
        for key, session in sessions.items():
            keeper = self._keepers.get(key)
            if keeper is None:
                keeper = self._keepers[key] = SessionKeeper(session, self._say_of(key), self._has_changed)
            elif keeper.session != session:
                keeper.change(session)
            keeper.announce(routes.get(key, {}))
        watched = {each.address for each in sessions.values() if each.bfd is not None}
        self._paths = {address: up for address, up in self._paths.items() if address in watched}
        self._bfd_due.set()

    async def leave(self, *, hold: bool) -> None:
        """Takes every route back and ends the sessions. `hold`: peers with graceful restart keep them, for we come back."""
        if self._bfd_task is not None:
            self._bfd_task.cancel()
        keepers, self._keepers = list(self._keepers.values()), {}
        await asyncio.gather(*(_end(each, hold and each.session.graceful and each.up) for each in keepers), *self._retiring)
        await self._bfd.stop()

    def _retire(self, keeper: SessionKeeper) -> None:
        task = asyncio.create_task(_end(keeper, False))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _say_of(self, key: Key) -> Callable[[Reason, str, bool], None]:
        return lambda reason, message, warning: self._say(key, reason, message, warning)

    def _has_changed(self) -> None:
        self._bfd_due.set()
        self._changed()

    async def _keep_bfd(self) -> None:
        while True:
            await self._bfd_due.wait()
            self._bfd_due.clear()
            try:
                await self._bfd.follow(self._bfd_peers())
                self._bfd_failure = ""
            except HostError as error:
                self._tell_bfd_failure(str(error))
                await asyncio.sleep(BFD_RETRY)
                self._bfd_due.set()

    def _bfd_peers(self) -> list[BFDPeer]:
        return [
            BFDPeer(each.session.address, each.source, each.session.multi_hop, each.session.bfd)
            for each in self._keepers.values()
            if each.session.bfd is not None and each.source is not None
        ]

    def _tell_bfd_failure(self, failure: str) -> None:
        if failure == self._bfd_failure:
            return
        self._bfd_failure = failure
        for key, each in self._keepers.items():
            if each.session.bfd is not None:
                self._say(key, Reason.BFD_FAILED, f"the session is not watched by BFD: {failure}", True)

    def _hear_bfd(self, state: BFDState) -> None:
        """A session ends when its path is lost; one that never had BFD with its peer goes on without (RFC 5882 section 4.1)."""
        was_up = self._paths.get(state.address, False)
        self._paths[state.address] = state.up
        for key, keeper in self._keepers.items():
            if keeper.session.address != state.address or keeper.session.bfd is None:
                continue
            if was_up and not state.up:
                self._say(key, Reason.BFD_SESSION_DOWN, f"no BFD packets from {state.address}: the BGP session ends", True)
                keeper.path_lost()
            elif state.up and not was_up:
                keeper.path_found()
        self._bfd_due.set()


def _is_same_peer(old: Session, new: Session | None) -> bool:
    return new is not None and (old.address, old.port) == (new.address, new.port)


async def _end(keeper: SessionKeeper, hold: bool) -> None:
    if not hold:
        await keeper.withdraw()
    await keeper.close(kill=hold)
