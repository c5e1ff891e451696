"""The Secrets with passwords of BGP, read by name: a node may not list Secrets, so nobody tells when one changes.

A session does not end for what a server says in its first moments (403, 503): what was read last stays until there is
an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from moorage.model.config import Secret
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from moorage.model.ports import Client

SECONDS = 30.0
"""After which they are read again."""
RETRY = 1.0
"""Until what could not be read is tried again; twice as long each time, up to SECONDS."""
FORBIDDEN, NOT_FOUND = 403, 404

log = structlog.get_logger()


class Passwords:
    """`known` has the wanted Secrets as they were last read, None for one that is not there or that the server has refused from
    the first. It is replaced when something in it changes, and `changed` is called.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self._client = client
        self._changed = changed
        self.known: Mapping[Key, Secret | None] = {}
        self._wanted: frozenset[Key] = frozenset()
        self._unread = asyncio.Event()
        self._failing: set[Key] = set()

    def want(self, keys: frozenset[Key]) -> None:
        if not keys <= self._wanted:
            self._unread.set()
        self._wanted = keys

    async def run(self) -> None:
        """On a task of its own: a server that does not answer holds up nothing else."""
        pause = SECONDS
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._unread.wait()
            except TimeoutError:
                pass
            self._unread.clear()
            self._failing &= self._wanted
            was_failing = bool(self._failing)
            found = {key: secret for key in self._wanted for secret in await self._read(key)}
            pause = SECONDS if not self._failing else min(2 * pause, SECONDS) if was_failing else RETRY
            if found != self.known:
                self.known = found
                self._changed()

    async def _read(self, key: Key) -> tuple[Secret | None, ...]:
        """What is known of it now, nothing before the first answer. A failure is said once, until there is one."""
        try:
            found: Secret | None = await self._client.get(Secret, key)
        except (ApiError, HostError) as error:
            code = error.code if isinstance(error, ApiError) else 0
            if code != NOT_FOUND:
                if key not in self._failing:
                    self._failing.add(key)
                    log.warning(
                        "a password cannot be read: the one that was read last stays", secret=str(key), error=str(error)
                    )
                return (self.known[key],) if key in self.known else (None,) if code == FORBIDDEN else ()
            found = None
        self._failing.discard(key)
        return (found,)
