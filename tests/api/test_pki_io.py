"""Certificates of our own: made once, kept, renewed from the same authority."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from moorage.api import pki_io
from moorage.api.pki_io import Pki, ensure_pki
from moorage.api.tokens_io import ensure_tokens
from moorage.model.errors import HostError

SANS = ("localhost", "127.0.0.1", "::1", "kubernetes.default.svc")


def handshake(pki: Pki, name: str) -> None:
    """TLS between a client that trusts the authority and the server's certificate, in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.certificate, pki.key)
    client = ssl.create_default_context(cafile=str(pki.ca_certificate))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=name)
    theirs = server.wrap_bio(up, down, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_clients_that_trust_the_authority_trust_the_server(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki", SANS)
    for name in SANS:
        handshake(pki, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(pki, "elsewhere.example")


def test_files_are_private_and_kept(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki", SANS)
    before = {path: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    assert set(before) == {pki.ca_certificate, pki.ca_key, pki.certificate, pki.key}
    assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
    assert ensure_pki(tmp_path / "pki", SANS[:2]) == pki
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_name_gives_a_new_certificate_from_the_same_authority(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, SANS)
    authority = pki.ca_certificate.read_bytes()
    ensure_pki(tmp_path, (*SANS, "198.18.0.2"))
    assert pki.ca_certificate.read_bytes() == authority
    handshake(pki, "198.18.0.2")


def test_a_certificate_that_ends_soon_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = ensure_pki(tmp_path, SANS)
    before = pki.certificate.read_bytes()
    monkeypatch.setattr(pki_io, "RENEW_BEFORE", pki_io.LIFE + datetime.timedelta(days=1))
    ensure_pki(tmp_path, SANS)
    assert pki.certificate.read_bytes() != before
    life = x509.load_pem_x509_certificate(before)
    assert life.not_valid_after_utc - life.not_valid_before_utc > datetime.timedelta(days=3649)


def test_a_key_that_does_not_fit_is_replaced(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "a", SANS)
    pki.key.write_bytes(ensure_pki(tmp_path / "b", SANS).key.read_bytes())
    ensure_pki(tmp_path / "a", SANS)
    handshake(pki, "localhost")


def test_broken_files_are_a_clear_error(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, SANS)
    pki.certificate.write_text("broken")
    with pytest.raises(HostError, match="certificates in"):
        ensure_pki(tmp_path, SANS)
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="certificates in"):
        ensure_pki(tmp_path / "file", SANS)


def test_tokens_are_made_once(tmp_path: Path) -> None:
    users = ensure_tokens(tmp_path / "data")
    assert sorted(user.name for user in users.values()) == ["admin", "node"]
    assert all(len(token) >= 43 for token in users)
    assert (tmp_path / "data" / "tokens.csv").stat().st_mode & 0o777 == 0o600
    assert ensure_tokens(tmp_path / "data") == users
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="token file"):
        ensure_tokens(tmp_path / "file")
