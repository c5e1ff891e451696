"""An API server over HTTP: `model.ports.Client` for every kind of `model.kinds`.

Source: Kubernetes API concepts: "Resource URIs", "Efficient detection of changes", "Retrieving large results sets in chunks".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import replace

from moorage.client.binary import FOLLOWED, decode_frame
from moorage.client.connection_io import JSON, Connection
from moorage.client.decode import caches_pages, decode_event, decode_list, decode_object
from moorage.client.kubeconfig import Access
from moorage.client.routes import collection_path, creation_path, object_path
from moorage.client.socket_io import SocketFactory
from moorage.client.whole import whole
from moorage.model.errors import ApiError
from moorage.model.kinds import BY_TYPE, PODS, Kind
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.pods import Binding
from moorage.model.ports import BOOKMARK, O, Page, WatchEvent
from moorage.model.protobuf import PROTOBUF
from moorage.model.wire import Tree

WATCH_SECONDS = (300, 600)
"""A watch asks to be ended after a random time in between, so that clients spread over servers again (client-go: the same)."""

PAGE_SIZE = 100
"""Objects of one page of a list. A mirror of 5,000 slices of 50 endpoints (65 MB of JSON) is complete after 0.45 s with 100 to
250 in a page, after 0.52 s with 50; on the way it takes 3 MB more than it keeps with 100, 9 MB with 250, 14 MB with 500
(client-go's number).
"""

_MERGE_PATCH = "application/merge-patch+json"


class HttpClient:
    """Use as `async with HttpClient(access) as client`; connections are kept and shared until the end.

    `socket_factory` makes the sockets (the lab opens them in another network namespace). `page_size` is how many objects
    a list asks for at a time, 0 for all at once. A proxy is used only where `access` names one, never from the environment.
    """

    def __init__(
        self,
        access: Access,
        socket_factory: SocketFactory | None = None,
        user_agent: str = "moorage",
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.access = access
        self._connection = Connection(access, socket_factory, user_agent)
        self._page_size = page_size
        self._caches_pages: bool | None = None

    async def __aenter__(self) -> Self:
        self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every request and closes the connections."""
        await self._connection.close()

    async def get(self, type_: type[O], key: Key) -> O:
        return decode_object(await self._connection.request("GET", object_path(BY_TYPE[type_], key)), type_)

    async def list(self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "") -> tuple[Sequence[O], str]:
        return await whole(self.pages(type_, namespace, labels, fields))

    async def pages(
        self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "", cached: bool = False
    ) -> AsyncGenerator[Page[O], None]:
        path = collection_path(BY_TYPE[type_], namespace)
        query = _selectors(labels, fields)
        if cached and not await self._pages_from_cache():
            query["resourceVersion"] = "0"
            limited = query
        else:
            limited = {**query, "limit": str(self._page_size)} if self._page_size else query
        try:
            async with aclosing(self._pages(type_, path, limited)) as pages:
                async for page in pages:
                    yield page
            return
        except ApiError as error:
            if error.code != 410 or not self._page_size:
                raise  # 410: the next page expired meanwhile; the whole list cannot
        async with aclosing(self._pages(type_, path, query)) as pages:
            async for page in pages:
                yield page

    async def _pages_from_cache(self) -> bool:
        """Whether the server keeps pages in memory. One that does not reads each from etcd, for every client anew, and has only
        whole lists in memory. Asked once.
        """
        if self._caches_pages is None:
            self._caches_pages = caches_pages(await self._connection.request("GET", "/version"))
        return self._caches_pages

    async def watch(
        self, type_: type[Object], since: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        kind = BY_TYPE[type_]
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311  spreading load is no secret
            **_selectors(labels, fields),
        }
        accept = f"{PROTOBUF}, {JSON}" if type_ in FOLLOWED else JSON
        async with aclosing(self._connection.stream(collection_path(kind, namespace), query, accept)) as parts:
            async for data, is_binary in parts:
                if not data:
                    yield _accepted(kind, since)
                else:
                    yield decode_frame(data, type_) if is_binary else decode_event(data, type_)

    async def create(self, obj: O) -> O:
        path = creation_path(BY_TYPE[type(obj)], obj.metadata.namespace)
        return decode_object(await self._connection.request("POST", path, body=_encode(obj)), type(obj))

    async def update(self, obj: O, subresource: str = "") -> O:
        path = object_path(BY_TYPE[type(obj)], obj.key, subresource)
        return decode_object(await self._connection.request("PUT", path, body=_encode(obj)), type(obj))

    async def merge_patch(self, type_: type[O], key: Key, patch: Tree, subresource: str = "") -> O:
        path = object_path(BY_TYPE[type_], key, subresource)
        body = await self._connection.request("PATCH", path, body=msgspec.json.encode(patch), content_type=_MERGE_PATCH)
        return decode_object(body, type_)

    async def delete(
        self,
        type_: type[Object],
        key: Key,
        uid: str = "",
        grace_seconds: int | None = None,
        resource_version: str = "",
        propagation: str = "",
    ) -> None:
        options: Tree = {"apiVersion": "v1", "kind": "DeleteOptions"}
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if any(conditions.values()):
            options["preconditions"] = {name: value for name, value in conditions.items() if value}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._connection.request("DELETE", object_path(BY_TYPE[type_], key), body=msgspec.json.encode(options))

    async def bind(self, pod: Key, uid: str, node: str) -> None:
        binding = Binding(
            api_version="v1",
            kind="Binding",
            metadata=ObjectMeta(name=pod.name, namespace=pod.namespace, uid=uid),
            target={"apiVersion": "v1", "kind": "Node", "name": node},
        )
        await self._connection.request("POST", object_path(PODS, pod, "binding"), body=msgspec.json.encode(binding))

    async def _pages(self, type_: type[O], path: str, query: Mapping[str, str]) -> AsyncGenerator[Page[O], None]:
        """One list: the server names the next page until there is none. It makes and sends one while another is worked on."""
        first = True
        asked = asyncio.create_task(self._connection.request("GET", path, query))
        try:
            while True:
                body = decode_list(await asked)
                if body.metadata.continue_:
                    following = {**query, "continue": body.metadata.continue_}
                    asked = asyncio.create_task(self._connection.request("GET", path, following))
                    await asyncio.sleep(0)  # the request goes out
                yield Page((decode_object(each, type_) for each in body.items or ()), body.metadata.resource_version, first)
                if not body.metadata.continue_:
                    return
                first = False
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}


def _encode(obj: Object) -> bytes:
    """The JSON of an object, with its kind and version also where the caller left them out, and without the owners of fields:
    what was read of them is a part.
    """
    kind = BY_TYPE[type(obj)]
    if obj.metadata.managed_fields:
        obj = replace(obj, metadata=replace(obj.metadata, managed_fields=None))
    return msgspec.json.encode(replace(obj, api_version=kind.api_version, kind=kind.kind))


def _accepted(kind: Kind, since: str) -> WatchEvent:
    obj = kind.type(api_version=kind.api_version, kind=kind.kind, metadata=ObjectMeta(resource_version=since))
    return WatchEvent(BOOKMARK, obj)
