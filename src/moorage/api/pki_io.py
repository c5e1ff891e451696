"""Certificates in a directory: made once, then kept; made again at a start when they end soon or do not fit any more.

    ca.crt, ca.key                  the authority that clients trust        -> server.crt, server.key
    client-ca.crt, client-ca.key    the authority that the server trusts    -> clients/USER.crt, clients/USER.key

Two authorities, so that a stolen certificate of a server lets nobody in. Their keys never leave the directory.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from cryptography import x509

from moorage.api.auth import User
from moorage.api.certificates import Life, Pair, fits, lasts, make_authority, make_client, make_server, names_all, subject_of
from moorage.api.files_io import write_private
from moorage.model.errors import HostError

LIFE = datetime.timedelta(days=3650)
CLIENT_LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=90)
"""What ends within this time is made again at the next start."""


class Pki(msgspec.Struct, frozen=True):
    """PEM files. `ca_certificate` is what clients trust, `client_ca_certificate` is whose users the server believes."""

    ca_certificate: Path
    ca_key: Path
    certificate: Path
    key: Path
    client_ca_certificate: Path
    client_ca_key: Path


def ensure_pki(directory: Path, sans: Iterable[str]) -> Pki:
    """`sans` are names and addresses under which the server is reached. Raises HostError where files cannot be used."""
    names = ("ca.crt", "ca.key", "server.crt", "server.key", "client-ca.crt", "client-ca.key")
    pki = Pki(*(directory / each for each in names))
    wanted = tuple(sans)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        ours = _authority(pki.ca_certificate, pki.ca_key, "moorage-ca")
        _authority(pki.client_ca_certificate, pki.client_ca_key, "moorage-client-ca")
        _ensure(
            pki.certificate,
            pki.key,
            lambda pair: fits(pair, ours) and names_all(pair, wanted),
            lambda: make_server(ours, wanted, Life(_now(), LIFE)),
        )
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise HostError(f"certificates in {directory}: {error}") from error
    return pki


def ensure_client(pki: Pki, user: User) -> Pair:
    """The certificate by which a user is let in. Raises HostError where files cannot be used."""
    directory = pki.client_ca_key.parent / "clients"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        authority = Pair(pki.client_ca_certificate.read_bytes(), pki.client_ca_key.read_bytes())
        return _ensure(
            directory / f"{user.name}.crt",
            directory / f"{user.name}.key",
            lambda pair: fits(pair, authority) and subject_of(pair) == (user.name, user.groups),
            lambda: make_client(authority, user.name, user.groups, Life(_now(), CLIENT_LIFE)),
        )
    except (OSError, ValueError) as error:
        raise HostError(f"certificate of {user.name} in {directory}: {error}") from error


def _authority(certificate: Path, key: Path, name: str) -> Pair:
    """A new authority is not known to clients of before: they need a new kubeconfig."""
    return _ensure(certificate, key, lambda pair: fits(pair, pair), lambda: make_authority(name, Life(_now(), LIFE)))


def _ensure(certificate: Path, key: Path, is_good: Callable[[Pair], bool], make: Callable[[], Pair]) -> Pair:
    """What the two files hold, made again where there is none or it is not good. Raises OSError, ValueError."""
    if certificate.exists() and key.exists():
        found = Pair(certificate.read_bytes(), key.read_bytes())
        if lasts(found, _now() + RENEW_BEFORE) and is_good(found):
            return found
    made = make()
    write_private(key, made.key)
    write_private(certificate, made.certificate)
    return made


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
