"""A `Client` that writes only while it may: what a leader does its work through.

Reads go on; a write that comes too late is a HostError, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from moorage.model.errors import HostError
from moorage.model.meta import Key, Object
from moorage.model.ports import Client, O, Page, WatchEvent
from moorage.model.wire import Tree


class FencedClient:
    """`may_write` is asked before each write."""

    def __init__(self, client: Client, may_write: Callable[[], bool]) -> None:
        self._client = client
        self._may_write = may_write

    async def get(self, type_: type[O], key: Key) -> O:
        return await self._client.get(type_, key)

    async def list(self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "") -> tuple[Sequence[O], str]:
        return await self._client.list(type_, namespace, labels, fields)

    def pages(
        self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "", cached: bool = False
    ) -> AsyncGenerator[Page[O], None]:
        return self._client.pages(type_, namespace, labels, fields, cached)

    def watch(
        self, type_: type[Object], since: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        return self._client.watch(type_, since, namespace, labels, fields)

    async def create(self, obj: O) -> O:
        return await self._allowed().create(obj)

    async def update(self, obj: O, subresource: str = "") -> O:
        return await self._allowed().update(obj, subresource)

    async def merge_patch(self, type_: type[O], key: Key, patch: Tree, subresource: str = "") -> O:
        return await self._allowed().merge_patch(type_, key, patch, subresource)

    async def delete(
        self,
        type_: type[Object],
        key: Key,
        uid: str = "",
        grace_seconds: int | None = None,
        resource_version: str = "",
        propagation: str = "",
    ) -> None:
        await self._allowed().delete(type_, key, uid, grace_seconds, resource_version, propagation)

    async def bind(self, pod: Key, uid: str, node: str) -> None:
        await self._allowed().bind(pod, uid, node)

    def _allowed(self) -> Client:
        if not self._may_write():
            raise HostError("this process does not lead: another one may be at work, so nothing is written")
        return self._client
