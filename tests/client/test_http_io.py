from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from aiohttp import web

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.socket_io import AddressInfo, plain
from moorage.model.cluster import Lease
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.ports import BOOKMARK
from moorage.model.slices import EndpointSlice
from tests.client.served import Handler, server, talk

WEB = Key("default", "web")
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


class Recorder:
    """Answers every request with one object and keeps what was asked: method, path and query, body."""

    def __init__(self, answer: str = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}}') -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}
        self._answer = answer

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, request.raw_path, json.loads(body) if body else None))
        self.headers = dict(request.headers)
        return web.Response(text=self._answer, content_type="application/json")


def test_each_verb_is_one_request() -> None:
    recorder = Recorder()
    pod = Pod(metadata=ObjectMeta(name="web", namespace="default"))
    tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}}

    async def story(client: HttpClient) -> None:
        assert (await client.get(Pod, WEB)).metadata.name == "web"
        await client.create(pod)
        await client.update(pod, "status")
        await client.merge_patch(Pod, WEB, {"metadata": {"labels": {"a": None}}})
        await client.delete(Pod, WEB)
        await client.delete(Pod, WEB, uid="u", grace_seconds=0)
        await client.bind(WEB, "u", "node-1")

    talk(recorder, story)
    one = "/api/v1/namespaces/default/pods/web"
    options = {"apiVersion": "v1", "kind": "DeleteOptions"}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    }
    assert recorder.asked == [
        ("GET", one, None),
        ("POST", "/api/v1/namespaces/default/pods", tree),
        ("PUT", f"{one}/status", tree),
        ("PATCH", one, {"metadata": {"labels": {"a": None}}}),
        ("DELETE", one, options),
        ("DELETE", one, {**options, "preconditions": {"uid": "u"}, "gracePeriodSeconds": 0}),
        ("POST", f"{one}/binding", binding),
    ]


def test_headers_say_who_asks_and_how() -> None:
    recorder = Recorder()

    async def story(client: HttpClient) -> None:
        await client.merge_patch(Pod, WEB, {})

    talk(recorder, story)
    assert recorder.headers["Authorization"] == "Bearer t"
    assert recorder.headers["User-Agent"] == "test"
    assert recorder.headers["Content-Type"] == "application/merge-patch+json"
    assert recorder.headers["Accept-Encoding"] == "identity"


def test_lists_come_compressed_where_that_is_asked_for() -> None:
    """A server compresses what is large, by its own choice."""
    items = ",".join(f'{{"metadata":{{"name":"lease-{number}"}}}}' for number in range(1000))
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers["Accept-Encoding"])
        response = web.Response(text=f'{{"metadata":{{"resourceVersion":"7"}},"items":[{items}]}}')
        response.enable_compression()
        return response

    async def play() -> None:
        async with asyncio.timeout(10), server(answer) as url:
            for compress in (False, True):
                async with HttpClient(Access(server=url, compress=compress)) as client:
                    found, version = await client.list(Lease)
                    assert (len(found), version) == (1000, "7")
                    accepted = await anext(client.watch(Lease, version))
                    assert accepted.type == BOOKMARK

    asyncio.run(play())
    assert asked == ["identity", "identity", "gzip", "identity"], "what compresses may wait for more"


def test_a_list_passes_its_selectors_on() -> None:
    recorder = Recorder('{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}]}')

    async def story(client: HttpClient) -> None:
        found, version = await client.list(EndpointSlice, "web", labels="app in (a,b)", fields="metadata.name=a")
        assert ([each.metadata.name for each in found], version) == (["a"], "7")

    talk(recorder, story)
    path = "/apis/discovery.k8s.io/v1/namespaces/web/endpointslices"
    query = "labelSelector=app+in+%28a%2Cb%29&fieldSelector=metadata.name%3Da"
    assert recorder.asked == [("GET", f"{path}?{query}", None)]


@pytest.mark.parametrize(
    ("version", "query"),
    [
        ('{"major":"1","minor":"29"}', "resourceVersion=0"),
        ('{"major":"1","minor":"33+"}', "resourceVersion=0"),
        ('{"major":"1","minor":"34"}', "limit=5"),
        ('{"major":"1","minor":"36+"}', "limit=5"),
        ('{"major":"","minor":""}', "resourceVersion=0"),
        ("moo", "resourceVersion=0"),
    ],
)
def test_a_list_that_may_be_cached_is_asked_for_in_the_way_that_the_server_has_in_memory(version: str, query: str) -> None:
    asked: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.raw_path)
        return web.Response(text=version if request.path == "/version" else '{"metadata":{"resourceVersion":"7"},"items":[]}')

    async def story(client: HttpClient) -> None:
        for _ in range(2):
            assert [page.version async for page in client.pages(EndpointSlice, cached=True)] == ["7"]
        await client.list(EndpointSlice)

    talk(handle, story, page_size=5)
    assert asked == ["/version", f"{SLICES}?{query}", f"{SLICES}?{query}", f"{SLICES}?limit=5"]


def paged(expired: bool) -> Handler:
    """A list of three pages of one; the second may have expired."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "limit" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "whole"}}]})
        page = int(request.query.get("continue", "0"))
        if page == 1 and expired:
            return web.json_response({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}, status=410)
        meta = {"resourceVersion": "7", **({"continue": str(page + 1)} if page < 2 else {})}
        return web.json_response({"metadata": meta, "items": [{"metadata": {"name": f"page-{page}"}}]})

    return handle


@pytest.mark.parametrize(("expired", "names", "at"), [(False, ["page-0", "page-1", "page-2"], "7"), (True, ["whole"], "9")])
def test_a_paged_list_is_whole(expired: bool, names: list[str], at: str) -> None:
    async def story(client: HttpClient) -> None:
        found, version = await client.list(EndpointSlice)
        assert ([each.metadata.name for each in found], version) == (names, at)

    talk(paged(expired), story, page_size=1)


def test_a_list_that_begins_anew_says_so() -> None:
    async def story(client: HttpClient) -> None:
        pages = client.pages(EndpointSlice)
        assert [(page.first, page.version, [each.metadata.name for each in page.objects]) async for page in pages] == [
            (True, "7", ["page-0"]),
            (True, "9", ["whole"]),
        ]

    talk(paged(expired=True), story, page_size=1)


def test_other_refusals_of_a_page_are_raised() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "continue" in request.query:
            return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}, status=403)
        return web.json_response({"metadata": {"continue": "1"}, "items": [{"metadata": {"name": "a"}}]})

    async def story(client: HttpClient) -> None:
        pages = client.pages(EndpointSlice)
        await anext(pages)
        with pytest.raises(ApiError, match="no"):
            await anext(pages)

    talk(handle, story, page_size=1)


def test_the_next_page_is_under_way_while_one_is_read() -> None:
    asked = asyncio.Event()
    whole_first = paged(expired=False)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "continue" in request.query:
            asked.set()
            await asyncio.Event().wait()
        return await whole_first(request)

    async def story(client: HttpClient) -> None:
        pages = client.pages(EndpointSlice)
        page = await anext(pages)
        async with asyncio.timeout(5):
            await asked.wait()
        assert [each.metadata.name for each in page.objects] == ["page-0"]
        await pages.aclose()

    talk(handle, story, page_size=1)


def test_an_item_that_is_no_such_object_is_refused_when_it_is_read() -> None:
    async def story(client: HttpClient) -> None:
        page = await anext(client.pages(EndpointSlice))
        with pytest.raises(HostError, match="no EndpointSlice"):
            list(page.objects)

    talk(Recorder('{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":1}}]}'), story)


def test_a_refusal_is_told_as_the_server_words_it() -> None:
    status = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "changed", "details": {"name": "web"}}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(status, status=409)

    async def story(client: HttpClient) -> None:
        with pytest.raises(ApiError, match="changed") as caught:
            await client.delete(Pod, WEB)
        assert (caught.value.code, caught.value.reason, caught.value.details) == (409, "Conflict", {"name": "web"})

    talk(handle, story)


def event(name: str, version: int, padding: int = 0) -> bytes:
    obj = {"metadata": {"name": name, "resourceVersion": str(version), "annotations": {"p": "x" * padding}}}
    return json.dumps({"type": "ADDED", "object": obj}).encode() + b"\n"


def streamed(*chunks: bytes) -> Handler:
    """A watch that sends these chunks and ends."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == SLICES
        assert request.query["watch"] == "1"
        assert request.query["allowWatchBookmarks"] == "true"
        assert request.query["resourceVersion"] == "5"
        assert 300 <= int(request.query["timeoutSeconds"]) <= 600
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handle


def test_a_watch_tells_each_line_and_ends_with_the_stream() -> None:
    cut = event("b", 7)
    chunks = (event("a", 6) + cut[:10], cut[10:], event("large", 8, padding=300_000))

    async def story(client: HttpClient) -> None:
        seen = [(each.type, each.obj.metadata.name) async for each in client.watch(EndpointSlice, "5")]
        assert seen == [(BOOKMARK, ""), ("ADDED", "a"), ("ADDED", "b"), ("ADDED", "large")]

    talk(streamed(*chunks), story)


def test_a_watch_of_a_forgotten_version_is_refused_either_way() -> None:
    status = b'{"kind":"Status","code":410,"reason":"Expired","message":"too old","status":"Failure","metadata":{}}'

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=status, status=410)

    async def story(client: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            [each async for each in client.watch(EndpointSlice, "5")]
        assert caught.value.code == 410

    talk(refuse, story)
    talk(streamed(b'{"type":"ERROR","object":%s}\n' % status), story)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_event_arrives_while_the_stream_stays_open(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(event("a", 6))
        await asyncio.Event().wait()
        return response

    async def story(client: HttpClient) -> None:
        stream = client.watch(EndpointSlice, "5")
        assert (await anext(stream)).type == BOOKMARK
        assert (await anext(stream)).obj.metadata.name == "a"
        await stream.aclose()

    talk(handle, story, run=run)


def test_a_cut_stream_is_the_hosts_fault() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(event("a", 6))
        assert request.transport is not None
        request.transport.abort()
        return response

    async def story(client: HttpClient) -> None:
        with pytest.raises(HostError, match=rf"GET http://127.0.0.1:\d+{SLICES}: the connection broke off"):
            [each async for each in client.watch(EndpointSlice, "5")]

    talk(handle, story)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def story() -> None:
        async with HttpClient(Access(server=f"http://127.0.0.1:{port}")) as client:
            with pytest.raises(HostError, match=rf"GET http://127.0.0.1:{port}/api/v1/pods: .*Connect"):
                await client.list(Pod)
            with pytest.raises(HostError, match="Connect"):
                await anext(client.watch(Pod, "0"))

    asyncio.run(story())


def test_sockets_come_from_the_factory() -> None:
    made: list[socket.socket] = []

    def factory(info: AddressInfo) -> socket.socket:
        made.append(plain(info))
        return made[-1]

    async def story(client: HttpClient) -> None:
        url = client.access.server
        async with HttpClient(Access(server=url), socket_factory=factory) as other:
            await other.get(Pod, WEB)
            await other.get(Pod, WEB)
            assert len(made) == 1
            assert made[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert made[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000

    talk(Recorder(), story)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    recorder = Recorder()

    async def story(client: HttpClient) -> None:
        await client.get(Pod, WEB)

    talk(recorder, story)
    assert len(recorder.asked) == 1


def test_a_client_that_is_not_open_says_so() -> None:
    async def story() -> None:
        with pytest.raises(HostError, match="not open"):
            await HttpClient(Access(server="http://127.0.0.1:1")).get(Pod, WEB)

    asyncio.run(story())
