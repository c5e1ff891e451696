"""Logging in as clusters have it: TLS servers, plugins and proxies, all real and on the loopback."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import structlog.testing
from aiohttp import web

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import in_cluster, load, through_proxy
from moorage.model.cluster import Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from tests.client.proxied import Proxy
from tests.client.served import Handler, certificate, server

Story = Callable[[str], Awaitable[None]]


async def who(request: web.BaseRequest) -> web.StreamResponse:
    """A Node that is named after who asks: the client certificate's name, or the token. The token `old` is refused."""
    assert request.transport is not None
    peer = request.transport.get_extra_info("peercert")
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token == "old":
        return web.json_response(
            {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}, status=401
        )
    tree = {"metadata": {"name": peer["subject"][0][0][1] if peer else token or "nobody", "resourceVersion": "7"}}
    if request.query.get("watch"):
        return web.Response(text=json.dumps({"type": "ADDED", "object": tree}) + "\n")
    return web.json_response(tree)


def trusting(directory: Path, name: str, *clients: Path) -> ssl.SSLContext:
    """A server of that name, whose certificate is `NAME.crt`; it believes these clients' certificates."""
    own, key = certificate(directory, name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    for each in clients:
        context.load_verify_locations(each)
    return context


def play(context: ssl.SSLContext | None, story: Story, handler: Handler = who) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), server(handler, context) as url:
            await story(url)

    asyncio.run(run())


async def seen(client: HttpClient) -> str:
    return (await client.get(Node, Key("", "any"))).metadata.name


def plugin_config(directory: Path, url: str, script: str, cluster: str = "") -> Path:
    """A kubeconfig whose user logs in by a shell script."""
    program = directory / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}
    config = directory / "config"
    config.write_text(
        f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{url}"{cluster}}}}}]
users: [{{name: u, user: {{exec: {json.dumps(exec_)}}}}}]
"""
    )
    return config


def answer(status: dict[str, str]) -> str:
    return json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status})


def test_a_plugin_gives_a_token_and_another_one_once_it_is_refused(tmp_path: Path) -> None:
    answers = [answer({"token": each}) for each in ("old", "new", "newest")]
    for number, each in enumerate(answers):
        (tmp_path / f"answer-{number}").write_text(each)
    script = f"cd {tmp_path}; n=$(cat n 2>/dev/null || echo 0); cat answer-$n; echo $((n+1)) > n"

    async def story(url: str) -> None:
        async with HttpClient(load(plugin_config(tmp_path, url, script))) as client:
            assert [await seen(client) for _ in range(3)] == ["new"] * 3
            async with aclosing(client.watch(Node, "1")) as events:
                assert [each.obj.metadata.name async for each in events][-1] == "new"
        assert (tmp_path / "n").read_text() == "2\n"

    play(None, story)


def test_a_watch_that_is_refused_shows_what_the_plugin_says_then(tmp_path: Path) -> None:
    script = f"cd {tmp_path}; if [ -e ran ]; then cat new; else touch ran; cat old; fi"
    for each in ("old", "new"):
        (tmp_path / each).write_text(answer({"token": each}))

    async def story(url: str) -> None:
        async with (
            HttpClient(load(plugin_config(tmp_path, url, script))) as client,
            aclosing(client.watch(Node, "1")) as events,
        ):
            assert [each.obj.metadata.name async for each in events] == ["", "new"]

    play(None, story)


def test_a_token_that_stays_refused_is_the_servers_answer() -> None:
    async def story(url: str) -> None:
        async with HttpClient(Access(server=url, token="old")) as client:
            with pytest.raises(ApiError, match="Unauthorized"):
                await seen(client)

    play(None, story)


def test_a_plugin_gives_a_client_certificate(tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "plugged")
    (tmp_path / "answer").write_text(
        answer({"clientCertificateData": own.read_text(), "clientKeyData": key.read_text(), "token": "unused"})
    )
    context = trusting(tmp_path, "127.0.0.1", own)

    async def story(url: str) -> None:
        config = plugin_config(tmp_path, url, f"cat {tmp_path}/answer", ", certificate-authority: 127.0.0.1.crt")
        async with HttpClient(load(config)) as client:
            assert await seen(client) == "plugged"

    play(context, story)


def test_a_plugin_that_fails_is_an_error_of_the_machine(tmp_path: Path) -> None:
    async def story(url: str) -> None:
        async with HttpClient(load(plugin_config(tmp_path, url, "echo log in first >&2; exit 1"))) as client:
            with pytest.raises(HostError, match=r"the credential plugin .*/plugin failed \(1\): log in first"):
                await seen(client)

    play(None, story)


def test_a_new_certificate_is_shown_to_the_same_server(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    first, key = certificate(tmp_path, "first")
    second, second_key = certificate(tmp_path / "next", "second")
    context = trusting(tmp_path, "127.0.0.1", first, second)

    async def story(url: str) -> None:
        access = Access(server=url, ca_file=str(tmp_path / "127.0.0.1.crt"), certificate_file=str(first), key_file=str(key))
        async with HttpClient(access) as client:
            assert [await seen(client), await seen(client)] == ["first"] * 2
            os.replace(second, first)
            assert await seen(client) == "first", "half of it is there"
            os.replace(second_key, key)
            assert await seen(client) == "second"

    play(context, story)


def test_a_new_authority_is_believed(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    other, _ = certificate(tmp_path, "other")
    ca.write_bytes(other.read_bytes())
    context = trusting(tmp_path, "127.0.0.1")

    async def story(url: str) -> None:
        async with HttpClient(Access(server=url, ca_file=str(ca), token="t")) as client:
            with pytest.raises(HostError, match="certificate is not trusted"):
                await seen(client)
            os.replace(tmp_path / "127.0.0.1.crt", ca)
            assert await seen(client) == "t"

    play(context, story)


def test_a_pod_logs_in_by_its_service_account(tmp_path: Path) -> None:
    context = trusting(tmp_path, "127.0.0.1")
    os.replace(tmp_path / "127.0.0.1.crt", tmp_path / "ca.crt")
    (tmp_path / "token").write_text("mounted\n")

    async def story(url: str) -> None:
        port = url.rpartition(":")[2]
        access = in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port})
        async with HttpClient(access) as client:
            assert await seen(client) == "mounted"

    play(context, story)


def test_insecure_is_warned_of(tmp_path: Path) -> None:
    context = trusting(tmp_path, "other")

    async def story(url: str) -> None:
        with structlog.testing.capture_logs() as logs:
            async with HttpClient(Access(server=url, insecure=True)) as client:
                assert await seen(client) == "nobody"
        assert [each["event"] for each in logs] == ["whoever answers is taken for the API server (insecure-skip-tls-verify)"]

    play(context, story)


@pytest.mark.parametrize("user", ["", "me:pass%20word@"])
def test_a_tls_server_behind_a_proxy(tmp_path: Path, user: str) -> None:
    """Requests, watches and client certificates go through the tunnel; the name of the server is checked at its far end."""
    own, key = certificate(tmp_path, "client")
    context = trusting(tmp_path, "kubernetes", own)
    proxy = Proxy("Basic bWU6cGFzcyB3b3Jk" if user else "")

    async def story(url: str) -> None:
        port = url.rpartition(":")[2]
        async with proxy.serving() as at:
            access = Access(
                server=f"https://api.test:{port}",
                ca_file=str(tmp_path / "kubernetes.crt"),
                tls_server_name="kubernetes",
                certificate_file=str(own),
                key_file=str(key),
            )
            async with HttpClient(through_proxy(access, {"HTTPS_PROXY": f"http://{user}{at}"})) as client:
                assert await seen(client) == "client"
                async with aclosing(client.watch(Node, "1")) as events:
                    assert [each.obj.metadata.name async for each in events][-1] == "client"
        assert set(proxy.asked) == {f"CONNECT api.test:{port} HTTP/1.1"}

    play(context, story)


def test_a_server_without_tls_behind_a_proxy() -> None:
    proxy = Proxy()

    async def story(url: str) -> None:
        port = url.rpartition(":")[2]
        async with proxy.serving() as at:
            access = Access(server=f"http://api.test:{port}", token="t", proxy_url=f"http://{at}")
            async with HttpClient(access) as client:
                assert await seen(client) == "t"
        assert proxy.asked == [f"GET http://api.test:{port}/api/v1/nodes/any HTTP/1.1"]

    play(None, story)


def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    context = trusting(tmp_path, "127.0.0.1")

    async def story(url: str) -> None:
        async with (
            Proxy("Basic secret").serving() as at,
            HttpClient(Access(server=url, insecure=True, proxy_url=f"http://{at}")) as client,
        ):
            with pytest.raises(HostError, match=r"407.*Proxy Authentication Required"):
                await seen(client)

    play(context, story)


def test_the_server_says_in_a_header_when_to_come_back() -> None:
    async def busy(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, text="Too many requests, please try again later.", headers={"Retry-After": "3"})

    async def story(url: str) -> None:
        async with HttpClient(Access(server=url)) as client:
            with pytest.raises(ApiError, match="Too many requests") as raised:
                await seen(client)
            assert raised.value.retry_after == 3.0
            with pytest.raises(ApiError) as raised:
                async with aclosing(client.watch(Node, "1")) as events:
                    _ = [each async for each in events]
            assert raised.value.retry_after == 3.0

    play(None, story, busy)
