"""`Access` -> the Authorization header of a request."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

from moorage.client.kubeconfig import Access
from moorage.model.errors import HostError

REREAD_SECONDS = 60.0
"""How long the content of a token file is trusted; client-go takes the same minute."""


class Login:
    """A token, a token file (which wins, as in client-go) or a user name and password; nothing for a client certificate."""

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._access = access
        self._token = access.token
        self._read_at: float | None = None

    def headers(self) -> dict[str, str]:
        """Raises HostError where the token file cannot be read."""
        if self._access.token_file:
            self._reread(self._clock())
        if self._token:
            return {"Authorization": f"Bearer {self._token}"}
        if self._access.username:
            pair = f"{self._access.username}:{self._access.password}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    def _reread(self, now: float) -> None:
        if self._read_at is not None and now - self._read_at < REREAD_SECONDS:
            return
        try:
            self._token = Path(self._access.token_file).read_text().strip()
        except OSError as error:
            raise HostError(f"cannot read the token file {self._access.token_file}: {error.strerror}") from error
        self._read_at = now
