"""Recording and playing back, tried on the embedded server: what is played is what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import load
from moorage.client.perform_io import perform
from moorage.model.config import ConfigMap
from moorage.model.meta import Key, ObjectMeta
from moorage.model.service import Service
from moorage.model.verbs import Create, MergePatch
from tests.client.embedded import admin_token, embedded_server, with_token
from tests.recorded.playback import played
from tests.recorded.record import record, without_secrets
from tests.recorded.spoken import Piece, Spoken, save
from tests.recorded.spoken import load as loaded
from tests.recorded.wire import Passed, conversation

CREATE = Spoken(
    3,
    "POST",
    "/api/v1/namespaces/default/configmaps",
    body="{}",
    status=201,
    pieces=(Piece(4, '{"metadata":{}}'),),
    ended=4,
)
CHUNKED = {"transfer-encoding": "chunked"}


def test_bytes_become_a_conversation() -> None:
    passed = [
        Passed(
            0, True, b"GET /api/v1/pods?limit=2&labelSelector=a%3Db HTTP/1.1\r\nAuthorization: Bearer x\r\nUser-Agent: m\r\n"
        ),
        Passed(1, True, b"POST /a%20b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{"),
        Passed(0, True, b"\r\n"),
        Passed(1, True, b"}"),
        Passed(0, False, b"HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"),
        Passed(1, False, b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"),
        Passed(0, False, b"c\r\n2\r\nd\xe9\r\n"),
    ]
    [read, written] = conversation(passed)
    assert read == Spoken(
        3,
        "GET",
        "/api/v1/pods",
        {"limit": "2", "labelSelector": "a=b"},
        {"user-agent": "m"},
        status=200,
        answer_headers=CHUNKED,
        pieces=(Piece(7, "abc"), Piece(7, "dé")),
    )
    assert written == Spoken(
        4,
        "POST",
        "/a b",
        body="{}",
        status=429,
        answer_headers={"retry-after": "1"},
        pieces=(Piece(6, "busy"),),
        ended=6,
    )


def test_no_secret_is_kept() -> None:
    pem = '{"ca":"-----BEGIN CERTIFICATE-----\\nMII\\n-----END CERTIFICATE-----\\n","token":"eyJhbGci.eyJpc3Mi.c2ln"}'
    [kept] = without_secrets([msgspec.structs.replace(CREATE, body=pem, pieces=(Piece(4, pem),))])
    assert (kept.body, kept.answer.decode()) == ('{"ca":"(left out)\\n","token":"(left out)"}',) * 2


def test_what_is_saved_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.recorded.spoken.DATA", tmp_path / "data")
    save("story", [CREATE])
    assert loaded("story") == (CREATE,)


def test_what_the_embedded_server_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(role: HttpClient, admin: HttpClient) -> None:
        await admin.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default"), data={"by": "admin"}))
        seen.append(await see(role))

    async def see(role: HttpClient) -> list[str]:
        maps, version = await role.list(ConfigMap, "default")
        watch = role.watch(ConfigMap, version, "default")
        await anext(watch)
        verbs = (
            Create(ConfigMap(metadata=ObjectMeta(name="b", namespace="default"))),
            MergePatch(ConfigMap, Key("default", "b"), {"data": {"by": "role"}}),
            Create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default"))),
        )
        failures = await perform(role, verbs, "test", lambda: 0.0)
        events = [await anext(watch), await anext(watch)]
        await watch.aclose()
        return [
            *(each.metadata.uid for each in maps),
            *(f"{each.type} {each.obj.metadata.resource_version}" for each in events),
            *(each.message for each in failures),
        ]

    async def run() -> None:
        async with asyncio.timeout(20):
            async with embedded_server(tmp_path) as kubeconfig:
                kept = await record("story", kubeconfig, _with_token(tmp_path, load(kubeconfig)))
            for cut in (0, 7):
                async with played(kept, tmp_path, cut) as (playback, access), HttpClient(access, page_size=3) as client:
                    seen.append(await see(client))
                    assert (playback.left, playback.unexpected, playback.differing) == ([], [], [])

    seen: list[list[str]] = []
    monkeypatch.setattr("tests.recorded.record.STORIES", {"story": story})
    asyncio.run(run())
    assert seen[0] == seen[1] == seen[2]
    assert [each.partition(" ")[0] for each in seen[0][1:3]] == ["ADDED", "MODIFIED"]
    assert seen[0][3] == 'configmaps "a" already exists'


def _with_token(directory: Path, access: Access) -> Path:
    """The administrator's kubeconfig with a token in place of a certificate."""
    ca_file, file = directory / "ca.crt", directory / "token.conf"
    ca_file.write_bytes(access.ca_data)
    file.write_text(with_token(access.server, ca_file, admin_token(directory)))
    return file


def test_an_effect_comes_after_its_cause(tmp_path: Path) -> None:
    """The watch tells of the write only when the client has written; what was not recorded is told."""
    watch = Spoken(
        1,
        "GET",
        "/api/v1/configmaps",
        {"watch": "1"},
        status=200,
        answer_headers=CHUNKED,
        pieces=(Piece(5, '{"type":1}\n'),),
    )

    async def run() -> None:
        async with (
            asyncio.timeout(10),
            played([watch, CREATE], tmp_path) as (playback, access),
            HttpClient(access) as client,
        ):
            lines = client._connection.stream("/api/v1/configmaps", {"watch": "1"})
            assert await anext(lines) == (b"", False)
            waiting = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            assert await client._connection.request("POST", CREATE.path, body=b"{}") == b'{"metadata":{}}'
            assert await waiting == (b'{"type":1}', False)
            await lines.aclose()
            with pytest.raises(Exception, match="404"):
                await client.list(Service)
            assert [each.path for each in playback.unexpected] == ["/api/v1/services"]

    asyncio.run(run())
