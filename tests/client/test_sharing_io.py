"""Watches over connections that HAProxy ends, which counts them; what is watched is written past it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from msgspec.structs import replace

from moorage.client import http2, http2_io
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.mirror_io import Mirror, Want
from moorage.model.errors import ApiError, HostError
from moorage.model.slices import EndpointSlice
from tests.client.served import certificate
from tests.client.terminated import Made, Place, named, play, terminator

ONE_EACH = "http/1.1"
"""What HAProxy offers where it does not offer HTTP/2."""

LARGE = 100_000
"""Bytes of an event: 200 of them are far more than one stream may have unread, and less than the server keeps."""


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_watches_share_one_connection(tmp_path: Path, run: Callable[..., None]) -> None:
    made = Made()

    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(place.access, socket_factory=made) as client,
        ):
            watches = await place.watches(client, 8)
            await place.write("web")
            assert [await named(each) for each in watches] == ["web"] * 8
            for each in watches[:3]:
                await each.aclose()
            await place.write("db")
            assert [await named(each) for each in watches[3:]] == ["db"] * 5
            assert (await haproxy.connections(), len(made.sockets)) == (1, 1)
            assert made.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    play(tmp_path, story, run)


def test_more_watches_than_the_server_allows_go_over_more_connections(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server, streams=3) as haproxy,
            HttpClient(place.access) as client,
        ):
            watches = await place.watches(client, 8)
            await place.write("web")
            assert [await named(each) for each in watches] == ["web"] * 8
            assert await haproxy.connections() == 3

    play(tmp_path, story)


def test_a_server_without_http2_is_asked_once_until_a_connection_is_lost(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with HttpClient(place.access) as client:
            async with terminator(tmp_path, place.listening, place.server, ONE_EACH) as haproxy:
                watches = await place.watches(client, 4) + await place.watches(client, 1)
                await place.write("web")
                assert [await named(each) for each in watches] == ["web"] * 5
                assert await haproxy.connections() == 1 + 5
            for each in watches:
                with pytest.raises(HostError, match="broke off"):
                    await named(each)
            async with terminator(tmp_path, place.listening, place.server) as haproxy:
                await place.watches(client, 4)
                assert await haproxy.connections() == 1

    play(tmp_path, story)


def test_a_slow_reader_holds_up_nobody_else(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(place.access) as client,
        ):
            slow, *quick = await place.watches(client, 3)
            names = [f"web-{number}" for number in range(200)]
            for name in names:
                await place.write(name, LARGE)
                assert [await named(each) for each in quick] == [name] * 2
            assert [await named(slow) for _ in names] == names
            assert await haproxy.connections() == 1

    play(tmp_path, story)


def test_a_server_that_goes_away_serves_its_watches_on_and_gets_no_new_ones(tmp_path: Path) -> None:
    made = Made()

    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server) as one,
            terminator(tmp_path, place.listening, place.server) as other,
            HttpClient(place.access, socket_factory=made) as client,
        ):
            (first,) = await place.watches(client, 1)
            old, new = (one, other) if await one.connections() else (other, one)
            old.leave()
            await place.write("web")
            assert await named(first) == "web"
            (second,) = await place.watches(client, 1)
            await place.write("db")
            assert [await named(first), await named(second)] == ["db", "db"]
            assert await new.connections() == 1
            await first.aclose()
            await made.become(1)

    play(tmp_path, story)


def test_a_mirror_goes_on_when_its_connection_is_lost(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with HttpClient(place.access) as client:
            mirror = Mirror(client, [Want(EndpointSlice)])
            running = asyncio.create_task(mirror.run())
            async with terminator(tmp_path, place.listening, place.server):
                await mirror.next()
                await place.write("web")
                await mirror.next()
            await place.write("db")
            async with terminator(tmp_path, place.listening, place.server):
                snapshot, _ = await mirror.next()
                assert {each.name for each in snapshot.all(EndpointSlice)} == {"db", "web"}
            running.cancel()

    play(tmp_path, story)


def test_a_watch_that_is_cut_off_is_the_hosts_fault(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(place.access) as client,
        ):
            watches = await place.watches(client, 2)
            haproxy.end()
            for each in watches:
                with pytest.raises(HostError, match=r"GET https://127.0.0.1:\d+/apis/.*: the connection broke off"):
                    await named(each)

    play(tmp_path, story)


def test_a_frozen_server_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel still acknowledges: what TCP asks is answered, what HTTP/2 asks is not."""
    monkeypatch.setattr(http2, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(http2, "ANSWER_SECONDS", 1.0)

    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(place.access) as client,
        ):
            (events,) = await place.watches(client, 1)
            await asyncio.sleep(2)
            await place.write("web")
            assert await named(events) == "web", "a server that answers is left in peace"
            haproxy.freeze()
            with pytest.raises(HostError, match="does not answer"):
                await named(events)

    play(tmp_path, story)


def test_an_idle_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(http2_io, "IDLE_SECONDS", 0.3)
    made = Made()

    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server),
            HttpClient(place.access, socket_factory=made) as client,
        ):
            first, second = await place.watches(client, 2)
            await first.aclose()
            await asyncio.sleep(1)
            assert made.open() == 1
            await second.aclose()
            await made.become(0)
            await place.watches(client, 1)
            assert len(made.sockets) == 2

    play(tmp_path, story)


def test_a_watch_that_is_refused_shows_the_new_token_over_the_same_connection(tmp_path: Path) -> None:
    token = tmp_path / "token"

    async def story(place: Place) -> None:
        access = replace(place.access, token="", token_file=str(token))
        token.write_text("old")
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(access) as client,
        ):
            with pytest.raises(ApiError) as refused:
                await place.watches(client, 1)
            assert refused.value.code == 401
            token.write_text(place.access.token)
            (events,) = await place.watches(client, 1)
            await place.write("web")
            assert await named(events) == "web"
            assert await haproxy.connections() == 1

    play(tmp_path, story)


def test_another_certificate_is_shown_over_another_connection(tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "client")
    next_own, next_key = certificate(tmp_path, "next")
    both = tmp_path / "clients.pem"
    both.write_bytes(own.read_bytes() + next_own.read_bytes())

    async def story(place: Place) -> None:
        access = replace(place.access, certificate_file=str(own), key_file=str(key))
        async with (
            terminator(tmp_path, place.listening, place.server, clients=str(both)) as haproxy,
            HttpClient(access) as client,
        ):
            watches = await place.watches(client, 2)
            os.replace(next_own, own)
            os.replace(next_key, key)
            watches += await place.watches(client, 2)
            await place.write("web")
            assert [await named(each) for each in watches] == ["web"] * 4
            assert await haproxy.connections() == 2

    play(tmp_path, story)


def test_refusals_are_told_as_the_server_words_them(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        async with (
            terminator(tmp_path, place.listening, place.server),
            HttpClient(replace(place.access, token="wrong")) as client,
        ):
            with pytest.raises(ApiError) as refused:
                await place.watches(client, 1)
            assert (refused.value.code, refused.value.reason) == (401, "Unauthorized")

    play(tmp_path, story)


def test_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    other, _ = certificate(tmp_path, "other")

    async def story(place: Place) -> None:
        async with terminator(tmp_path, place.listening, place.server):
            async with HttpClient(replace(place.access, ca_file=str(other))) as client:
                with pytest.raises(HostError, match=r"the server's certificate is not trusted: .*verify failed"):
                    await place.watches(client, 1)
            async with HttpClient(replace(place.access, tls_server_name="kubernetes")) as client:
                with pytest.raises(HostError, match=r"the server's certificate is not trusted: .*kubernetes"):
                    await place.watches(client, 1)

    play(tmp_path, story)


def test_nobody_there_is_told_to_every_watch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def story() -> None:
        async with HttpClient(Access(server=f"https://127.0.0.1:{port}", insecure=True)) as client:
            attempts = [asyncio.ensure_future(anext(client.watch(EndpointSlice, "0"))) for _ in range(3)]
            for each in await asyncio.gather(*attempts, return_exceptions=True):
                assert isinstance(each, HostError)
                assert f"endpointslices: cannot connect to 127.0.0.1:{port}: " in str(each)

    asyncio.run(story())
