"""The token file in the data directory: random tokens for the users that always have one, and whoever was added by hand."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from moorage.api.auth import ADMINS, READERS, User, format_tokens, parse_tokens
from moorage.api.files_io import write_private
from moorage.api.service_account_tokens import TokenSigner, make_key
from moorage.model.errors import HostError

_ISSUED = (User("admin", (ADMINS,), "admin"), User("reader", (READERS,), "reader"))


def ensure_signer(directory: Path, ca: str) -> TokenSigner:
    """The signer of ServiceAccount tokens, whose key is made once. Raises HostError where its file cannot be used."""
    path = directory / "sa.key"
    try:
        if not path.exists():
            os.makedirs(directory, mode=0o700, exist_ok=True)
            write_private(path, make_key())
        return TokenSigner(path.read_bytes(), ca)
    except (OSError, ValueError) as error:
        raise HostError(f"key of service account tokens {path}: {error}") from error


def ensure_tokens(directory: Path) -> Mapping[str, User]:
    """Token -> user. Raises HostError where the file cannot be read or written, UserError where it is malformed."""
    path = directory / "tokens.csv"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        known = parse_tokens(path.read_text()) if path.exists() else {}
        named = {user.name for user in known.values()}
        missing = {secrets.token_urlsafe(32): user for user in _ISSUED if user.name not in named}
        if missing:
            write_private(path, format_tokens({**known, **missing}).encode())
        return {**known, **missing}
    except OSError as error:
        raise HostError(f"token file {path}: {error}") from error
