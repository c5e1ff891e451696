"""Certificates of our own: made once, kept, renewed from the same authority."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import msgspec
import pytest

from moorage.api import pki_io
from moorage.api.auth import ADMINS, READERS, User
from moorage.api.certificates import Life, Pair, lasts, make_authority, make_server, subject_of
from moorage.api.pki_io import Pki, ensure_client, ensure_pki
from moorage.api.tokens_io import ensure_tokens
from moorage.model.errors import HostError

NODE = User("system:node:node-1", ("system:nodes", "more"))
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
    client = ensure_client(pki, NODE)
    before = {path: path.read_bytes() for path in (tmp_path / "pki").rglob("*.*")}
    own = {"system:node:node-1.crt", "system:node:node-1.key"}
    assert {path.name for path in before} == {Path(each).name for each in msgspec.structs.astuple(pki)} | own
    assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki", tmp_path / "pki" / "clients")} == {0o700}
    assert ensure_pki(tmp_path / "pki", SANS[:2]) == pki
    assert ensure_client(pki, NODE) == client
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_name_gives_a_new_certificate_from_the_same_authority(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, SANS)
    authority = pki.ca_certificate.read_bytes()
    ensure_pki(tmp_path, (*SANS, "198.18.0.2"))
    assert pki.ca_certificate.read_bytes() == authority
    handshake(pki, "198.18.0.2")


@pytest.mark.parametrize("renewed", ["server.crt", "client-ca.crt", "ca.crt"])
def test_what_ends_soon_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renewed: str) -> None:
    """A new authority takes with it what the old one signed."""
    pki = ensure_pki(tmp_path, SANS)
    client = ensure_client(pki, NODE)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.crt")}
    soon = datetime.datetime.now(datetime.UTC) + pki_io.RENEW_BEFORE - datetime.timedelta(days=1)
    life = Life(soon - datetime.timedelta(days=1), datetime.timedelta(days=1))
    ours = Pair(pki.ca_certificate.read_bytes(), pki.ca_key.read_bytes())
    ending = make_server(ours, SANS, life) if renewed == "server.crt" else make_authority("ending", life)
    (tmp_path / renewed).write_bytes(ending.certificate)
    (tmp_path / renewed.replace("crt", "key")).write_bytes(ending.key)
    ensure_pki(tmp_path, SANS)
    handshake(pki, "localhost")
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*.crt")}
    also = {"ca.crt": {"ca.crt", "server.crt"}}.get(renewed, {renewed})
    assert {name for name in after if after[name] != before[name]} == also
    assert (ensure_client(pki, NODE) != client) is (renewed == "client-ca.crt")
    assert lasts(Pair(after[renewed], b""), datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3640))


def test_a_clients_certificate(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, SANS)
    client = ensure_client(pki, NODE)
    assert subject_of(client) == ("system:node:node-1", ("system:nodes", "more"))
    now = datetime.datetime.now(datetime.UTC)
    assert lasts(client, now + datetime.timedelta(days=364))
    assert not lasts(client, now + datetime.timedelta(days=366))
    changed = User(NODE.name, ("system:nodes",))
    assert subject_of(ensure_client(pki, changed)) == (NODE.name, ("system:nodes",))


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
    assert {user.name: user.groups for user in users.values()} == {"admin": (ADMINS,), "reader": (READERS,)}
    assert all(len(token) >= 43 for token in users)
    assert (tmp_path / "data" / "tokens.csv").stat().st_mode & 0o777 == 0o600
    assert ensure_tokens(tmp_path / "data") == users
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="token file"):
        ensure_tokens(tmp_path / "file")


def test_users_that_were_added_by_hand_stay(tmp_path: Path) -> None:
    (tmp_path / "tokens.csv").write_text('old,admin,0,system:masters\nmine,ada,1,"moorage:readers,more"\n')
    users = ensure_tokens(tmp_path)
    assert users["old"] == User("admin", (ADMINS,), "0")
    assert users["mine"] == User("ada", (READERS, "more"), "1")
    assert sorted(user.name for user in users.values()) == ["ada", "admin", "reader"]
