"""`Access` -> what a request shows of who asks: an Authorization header, a client certificate, or both.

What ends is renewed: token files are read again, plugins run again, changed certificate files loaded again.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from moorage.client.exec_plugin import Credentials, ExecPlugin
from moorage.client.exec_plugin_io import run_plugin
from moorage.client.kubeconfig import Access
from moorage.client.tls_io import Tls, TlsContexts
from moorage.model.errors import HostError

REREAD_SECONDS = 60.0
"""How long the content of a token file is trusted; client-go takes the same minute."""

EARLY_SECONDS = 10.0
"""A plugin is run again so long before what it gave ends, not at the first refusal."""

REFUSED_SECONDS = 10.0
"""After a plugin has run because of a refusal, a further refusal does not run it again for so long."""

Run = Callable[[ExecPlugin], Awaitable[Credentials]]

log = structlog.get_logger()


class Proof(msgspec.Struct, frozen=True):
    """What one request shows. `tls` is None towards a server without TLS."""

    headers: dict[str, str]
    tls: Tls | None = None


class Login:
    """A token, a token file (which wins, as in client-go), a user name and password, a client certificate, or a plugin.

    `clock` is monotonic, `wall` gives seconds since the epoch.
    """

    def __init__(
        self,
        access: Access,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        run: Run = run_plugin,
    ) -> None:
        self._clock = clock
        self._access = access
        self._token = access.token
        self._read_at: float | None = None
        self._tls = TlsContexts(access) if access.server.startswith("https:") else None
        fixed = access.token or access.token_file or access.username or access.has_certificate
        self._plugin = None if fixed or access.plugin is None else PluginLogin(access.plugin, clock, wall, run)

    def check(self) -> None:
        """Raises UserError where the certificates cannot be used."""
        if self._tls is not None:
            self._tls.contexts()

    async def proof(self) -> Proof:
        """For the next request. Raises HostError where a file cannot be read or a plugin fails."""
        if self._plugin is not None:
            credentials = await self._plugin.credentials()
            headers = _bearer(credentials.token) if credentials.token else {}
            return Proof(headers, self._contexts(credentials.certificate, credentials.key))
        if self._access.token_file:
            self._reread(self._clock())
        return Proof(self._headers(), self._contexts())

    async def refused(self, proof: Proof) -> bool:
        """The server did not know who showed this (401). Whether there is something else to show now."""
        if self._plugin is not None:
            await self._plugin.refused()
        self._read_at = None
        return await self.proof() != proof

    def _headers(self) -> dict[str, str]:
        if self._token:
            return _bearer(self._token)
        if self._access.username:
            pair = f"{self._access.username}:{self._access.password}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    def _contexts(self, certificate: bytes = b"", key: bytes = b"") -> Tls | None:
        return None if self._tls is None else self._tls.contexts(certificate, key)

    def _reread(self, now: float) -> None:
        if self._read_at is not None and now - self._read_at < REREAD_SECONDS:
            return
        try:
            self._token = Path(self._access.token_file).read_text().strip()
        except OSError as error:
            raise HostError(f"cannot read the token file {self._access.token_file}: {error.strerror}") from error
        self._read_at = now


class PluginLogin:
    """The credentials of a plugin, kept until shortly before they end. One run at a time."""

    def __init__(self, plugin: ExecPlugin, clock: Callable[[], float], wall: Callable[[], float], run: Run) -> None:
        self._plugin = plugin
        self._clock = clock
        self._wall = wall
        self._run = run
        self._lock = asyncio.Lock()
        self._held: Credentials | None = None
        self._again_at = 0.0
        self._refused_at: float | None = None

    async def credentials(self) -> Credentials:
        """Raises HostError where the plugin fails and nothing is held that is still good."""
        async with self._lock:
            if self._held is None or (self._ends_within(EARLY_SECONDS) and self._clock() >= self._again_at):
                await self._renew()
            assert self._held is not None
            return self._held

    async def refused(self) -> None:
        """The next request gets what the plugin says then, but the plugin is not run for every refusal."""
        async with self._lock:
            now = self._clock()
            if self._refused_at is None or now - self._refused_at >= REFUSED_SECONDS:
                self._refused_at = now
                self._held = None

    async def _renew(self) -> None:
        try:
            self._held = await self._run(self._plugin)
        except HostError as error:
            if self._held is None or self._ends_within(0.0):
                raise
            self._again_at = self._clock() + 1.0
            log.warning("the credentials that end soon could not be renewed", error=str(error))
        else:
            # What ends at once anyway is shown until then, and not asked for with every request.
            self._again_at = self._clock() + 1.0

    def _ends_within(self, seconds: float) -> bool:
        ends = self._held.expires_at if self._held is not None else None
        return ends is not None and self._wall() >= ends - seconds


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
