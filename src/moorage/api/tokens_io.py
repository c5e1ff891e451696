"""The token file in the data directory: made once with random tokens, then read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from moorage.api.auth import ADMINS, NODES, User, format_tokens, parse_tokens
from moorage.api.files_io import write_private
from moorage.model.errors import HostError

ADMIN = User("admin", (ADMINS,))
NODE = User("node", (NODES,))

_ISSUED = (ADMIN, NODE)


def ensure_tokens(directory: Path) -> Mapping[str, User]:
    """Token -> user. Raises HostError where the file cannot be read or written, UserError where it is malformed."""
    path = directory / "tokens.csv"
    try:
        if not path.exists():
            os.makedirs(directory, mode=0o700, exist_ok=True)
            write_private(path, format_tokens({secrets.token_urlsafe(32): user for user in _ISSUED}).encode())
        return parse_tokens(path.read_text())
    except OSError as error:
        raise HostError(f"token file {path}: {error}") from error
