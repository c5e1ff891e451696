"""Events of a role: said as they happen, posted behind its back. What cannot be posted has been logged, and is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from moorage.client.notes import Notes
from moorage.client.perform_io import perform
from moorage.model.meta import Object
from moorage.model.ports import Client
from moorage.model.reason import Reason
from moorage.model.verbs import Note

MOST_WAITING = 1000
"""Events that wait while the API server is out of reach; later ones are let go."""

log = structlog.get_logger()


class Teller:
    """`itself` gives the object that the role's own events are about (a Node), None while it is unknown."""

    def __init__(self, client: Client, component: str, itself: Callable[[], Object | None]) -> None:
        self._client = client
        self._component = component
        self._itself = itself
        self._notes = Notes()
        self._waiting: asyncio.Queue[Note] = asyncio.Queue(MOST_WAITING)

    def say(self, reason: Reason, message: str, about: Object | None = None, *, warning: bool = True) -> None:
        """`about` None is the role itself."""
        (log.warning if warning else log.info)(message, reason=reason.value, about=str(about.key) if about else "")
        subject = about or self._itself()
        if subject is not None and not self._waiting.full():
            self._waiting.put_nowait(Note(subject, reason, message, warning))

    async def run(self) -> None:
        """Posts until cancelled."""
        while True:
            note = await self._waiting.get()
            await perform(self._client, (note,), self._component, time.time, self._notes)
