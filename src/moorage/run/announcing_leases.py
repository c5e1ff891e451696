"""Writes the Leases of a speaker: its own again and again, and the view when it asks for another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

import structlog

from moorage.announce.roll import RENEW, own_lease, view_lease, view_of
from moorage.announce.wish import View
from moorage.model.announcing import Group
from moorage.model.cluster import Lease
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.ports import Client

log = structlog.get_logger()


class LeaseWriter:
    """What cannot be written is said once, and tried again by whoever calls."""

    def __init__(self, group: Group, name: str, client: Client) -> None:
        self._group = group
        self._name = name
        self._client = client
        self._known: Lease | None = None
        self._problem = ""

    async def renew(self, addresses: Iterable[Address], seen: Mapping[Key, Lease]) -> bool:
        """Whether the own Lease is renewed. `seen` is what the mirror has."""
        known = self._known or seen.get(self._group.lease(self._name))
        lease = own_lease(self._group, self._name, addresses, time.time(), known)
        try:
            async with asyncio.timeout(RENEW):
                self._known = await (self._client.update(lease) if known is not None else self._client.create(lease))
        except (ApiError, HostError, TimeoutError) as error:
            self._known = None
            self._say(error)
            return False
        self._problem = ""
        return True

    async def propose(self, view: View) -> View | None:
        """The view that is written now: the proposed one, or the one that somebody else was first with. None where
        neither is known: it is to be proposed again.
        """
        try:
            async with asyncio.timeout(RENEW):
                known = await self._view()
                written = view_of(known)
                if written.epoch >= view.epoch:
                    return written
                lease = view_lease(self._group, self._name, view, time.time(), known)
                await (self._client.update(lease) if known is not None else self._client.create(lease))
        except (ApiError, HostError, TimeoutError) as error:
            self._say(error)
            return None
        return view

    async def _view(self) -> Lease | None:
        try:
            return await self._client.get(Lease, self._group.view)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def _say(self, error: Exception) -> None:
        """A conflict is no problem: somebody was first."""
        if isinstance(error, ApiError) and error.reason in ("Conflict", "AlreadyExists"):
            return
        problem = str(error) or "the API server does not answer"
        if problem != self._problem:
            self._problem = problem
            log.warning("cannot write a Lease for announcing", error=problem)
