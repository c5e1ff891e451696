"""Client certificates over real TLS sockets on loopback: none, ours, foreign, expired, and what else may be shown."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moorage.api.auth import ADMINS, AUTHENTICATED, CREDENTIAL_ID, NODES, User
from moorage.api.auth_certificate_io import certificate_of
from moorage.api.auth_requests import Certificate
from moorage.api.certificates import Life, Pair, make_authority, make_client, make_server
from moorage.api.pki_io import Pki, ensure_client, ensure_pki
from moorage.api.serve_io import serve
from tests.api.asgi import ADMIN, new_app

WAIT = 10.0
YEAR = datetime.timedelta(days=365)
WHO = ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
NODE = User("system:node:node-1", (NODES,))

Ask = Callable[..., Awaitable[tuple[int, Any]]]
Story = Callable[[Ask, Pki], Awaitable[None]]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def context(directory: Path, pki: Pki, shown: Pair | None) -> ssl.SSLContext:
    trusting = ssl.create_default_context(cafile=str(pki.ca_certificate))
    if shown is not None:
        (directory / "shown.crt").write_bytes(shown.certificate)
        (directory / "shown.key").write_bytes(shown.key)
        trusting.load_cert_chain(directory / "shown.crt", directory / "shown.key")
    return trusting


def run(directory: Path, story: Story) -> None:
    pki = ensure_pki(directory / "pki", ["127.0.0.1"])

    async def told() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]

        async def ask(method: str, path: str, shown: Pair | None = None, token: str = "") -> tuple[int, Any]:
            """The status and the decoded body of one request on a connection of its own."""
            tls = context(directory, pki, shown)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            try:
                login = f"Authorization: Bearer {token}\r\n" if token else ""
                body = "{}" if method == "POST" else ""
                writer.write(
                    f"{method} {path} HTTP/1.1\r\nHost: x\r\n{login}Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)
                length = int(head.lower().split(b"content-length: ")[1].split()[0])
                answer = await asyncio.wait_for(reader.readexactly(length), WAIT)
                return int(head.split()[1]), msgspec.json.decode(answer) if answer.startswith(b"{") else answer
            finally:
                writer.transport.abort()

        app = await new_app()
        serving = asyncio.create_task(serve(app, [listening], pki.certificate, pki.key, pki.client_ca_certificate))
        try:
            await story(ask, pki)
        finally:
            serving.cancel()
            await asyncio.wait({serving}, timeout=WAIT)

    asyncio.run(told())


def test_none_is_nobody(tmp_path: Path) -> None:
    async def story(ask: Ask, pki: Pki) -> None:
        assert await ask("GET", "/healthz") == (200, b"ok")
        status, answer = await ask("GET", "/api/v1/nodes")
        assert (status, answer["reason"]) == (403, "Forbidden")
        assert 'User "system:anonymous" cannot list resource "nodes"' in answer["message"]
        assert (await ask("GET", "/api/v1/nodes", token=ADMIN))[0] == 200

    run(tmp_path, story)


def test_ours_names_a_user(tmp_path: Path) -> None:
    async def story(ask: Ask, pki: Pki) -> None:
        _, answer = await ask(*WHO, ensure_client(pki, NODE))
        user = answer["status"]["userInfo"]
        assert (user["username"], user["groups"]) == ("system:node:node-1", [NODES, AUTHENTICATED])
        assert user["extra"][CREDENTIAL_ID][0].startswith("X509SHA256=")
        assert (await ask("DELETE", "/api/v1/nodes/node-1", ensure_client(pki, NODE)))[0] == 403
        assert (await ask("DELETE", "/api/v1/nodes/node-1", ensure_client(pki, User("ada", (ADMINS,)))))[0] == 404

    run(tmp_path, story)


def test_a_certificate_wins_over_a_token(tmp_path: Path) -> None:
    async def story(ask: Ask, pki: Pki) -> None:
        for token in (ADMIN, "wrong"):
            _, answer = await ask(*WHO, ensure_client(pki, NODE), token)
            assert answer["status"]["userInfo"]["username"] == "system:node:node-1"

    run(tmp_path, story)


def client_of(pki: Pki, user: str, life: Life | None = None) -> Pair:
    authority = Pair(pki.client_ca_certificate.read_bytes(), pki.client_ca_key.read_bytes())
    return make_client(authority, user, (ADMINS,), life or Life(now(), YEAR))


def expired(pki: Pki) -> Pair:
    return client_of(pki, "admin", Life(now() - YEAR, datetime.timedelta(days=364)))


def not_yet_valid(pki: Pki) -> Pair:
    return client_of(pki, "admin", Life(now() + YEAR, YEAR))


def foreign(pki: Pki) -> Pair:
    """Of an authority that has the very name of ours."""
    return make_client(make_authority("moorage-client-ca", Life(now(), YEAR)), "admin", (ADMINS,), Life(now(), YEAR))


def self_signed(pki: Pki) -> Pair:
    return make_authority("admin", Life(now(), YEAR))


def of_the_server(pki: Pki) -> Pair:
    return Pair(pki.certificate.read_bytes(), pki.key.read_bytes())


def for_servers(pki: Pki) -> Pair:
    """Of our authority, but for another purpose."""
    authority = Pair(pki.client_ca_certificate.read_bytes(), pki.client_ca_key.read_bytes())
    return make_server(authority, ["admin"], Life(now(), YEAR))


@pytest.mark.parametrize("make", [expired, not_yet_valid, foreign, self_signed, of_the_server, for_servers])
def test_any_other_ends_the_handshake(tmp_path: Path, make: Callable[[Pki], Pair]) -> None:
    async def story(ask: Ask, pki: Pki) -> None:
        for token in ("", ADMIN):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await ask("GET", "/healthz", make(pki), token)
        assert (await ask("GET", "/healthz"))[0] == 200

    run(tmp_path, story)


def test_a_resumed_session_is_still_the_same_user(tmp_path: Path) -> None:
    """TLS tickets carry the certificate; a session of another client is of no use without its secret."""
    pki = ensure_pki(tmp_path / "pki", ["127.0.0.1"])
    tls = context(tmp_path, pki, ensure_client(pki, NODE))
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % WHO[1].encode()

    def twice(port: int) -> list[tuple[bool, bytes]]:
        session, answers = None, []
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port), WAIT) as plain,
                tls.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secure,
            ):
                secure.sendall(head)
                answer = b""
                while piece := secure.recv(65536):
                    answer += piece
                session = secure.session
                answers.append((bool(secure.session_reused), answer))
        return answers

    async def told() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        app = await new_app()
        serving = asyncio.create_task(serve(app, [listening], pki.certificate, pki.key, pki.client_ca_certificate))
        try:
            first, second = await asyncio.to_thread(twice, listening.getsockname()[1])
        finally:
            serving.cancel()
            await asyncio.wait({serving}, timeout=WAIT)
        assert (first[0], second[0]) == (False, True)
        assert b'"username":"system:node:node-1"' in first[1]
        assert b'"username":"system:node:node-1"' in second[1]

    asyncio.run(told())


def test_without_tls_nothing_is_answered(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki", ["127.0.0.1"])

    def plainly(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), WAIT) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                return plain.recv(1024)
            except ConnectionError:
                return b""

    async def told() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        app = await new_app()
        serving = asyncio.create_task(serve(app, [listening], pki.certificate, pki.key, pki.client_ca_certificate))
        try:
            assert b"ok" not in await asyncio.to_thread(plainly, listening.getsockname()[1])
        finally:
            serving.cancel()
            await asyncio.wait({serving}, timeout=WAIT)

    asyncio.run(told())


@pytest.mark.parametrize(
    ("subject", "name", "groups"),
    [
        ([("organizationName", "a"), ("organizationName", "b"), ("commonName", "ada")], "ada", ("a", "b")),
        ([("commonName", "first"), ("commonName", "last")], "last", ()),
        ([("organizationName", "a")], None, ()),
        ([("commonName", "")], None, ()),
    ],
)
def test_subjects(subject: list[tuple[str, str]], name: str | None, groups: tuple[str, ...]) -> None:
    """Source: apiserver `pkg/authentication/request/x509/x509.go` (CommonNameUserConversion)."""
    peer = {"subject": tuple((each,) for each in subject), "notAfter": "Jan  1 00:00:01 1970 GMT"}
    extra = {CREDENTIAL_ID: ("X509SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",)}
    wanted = Certificate(User(name, groups, extra=extra), 1.0) if name else None
    assert certificate_of(peer, b"") == wanted
