"""Calls the application without sockets: ASGI messages in, ASGI messages out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from moorage.api.app import App, make_app
from moorage.api.auth import ADMINS, READERS, TokenAuthenticator, User
from moorage.api.auth_gate import CERTIFICATE
from moorage.api.auth_requests import Certificate
from moorage.api.exchange_io import Message
from moorage.model.kinds import Kind
from moorage.model.ports import Subscription
from moorage.model.selectors import EVERYTHING, Selector
from moorage.registry.resources import Registry
from moorage.registry.settings import RegistrySettings
from moorage.run.bootstrap import bootstrap
from moorage.store.fake import MemoryStore

NOW = 1767225600.0
ADMIN = "admin-token"
READER = "reader-token"
USERS = {ADMIN: User("admin", (ADMINS,)), READER: User("reader", (READERS,)), "nobody-token": User("nobody")}

SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/default/pods"


class Reply(msgspec.Struct):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Watched(Registry):
    """The real registry; it remembers the watches that are open."""

    def __init__(self, history: int) -> None:
        super().__init__(MemoryStore(history), RegistrySettings(), lambda: NOW, random.Random(1))
        self.open: list[Subscription] = []

    def watch(
        self, kind: Kind, namespace: str, since: int, labels: Selector = EVERYTHING, fields: Selector = EVERYTHING
    ) -> Subscription:
        subscription = super().watch(kind, namespace, since, labels, fields)
        self.open.append(subscription)
        close = subscription.close

        def closed() -> None:
            self.open.remove(subscription)
            close()

        subscription.close = closed  # type: ignore[method-assign]
        return subscription


async def new_registry(history: int = 1000) -> Watched:
    registry = Watched(history)
    await bootstrap(registry, "10.96.0.0/16", "198.18.0.2", 6443)
    return registry


async def new_app(history: int = 1000) -> App:
    return make_app(await new_registry(history), TokenAuthenticator(USERS), lambda: NOW)


class Call:
    """One request in progress. `pieces` gives the body as it is sent; `hang_up` is the client going away."""

    def __init__(
        self,
        app: App,
        method: str,
        url: str,
        body: bytes | Any = b"",
        headers: Mapping[str, str] | None = None,
        token: str = ADMIN,
        certificate: Certificate | None = None,
    ) -> None:
        path, _, query = url.partition("?")
        given = {"authorization": f"Bearer {token}"} if token else {}
        given |= headers or {}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self._scope: Message = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
            CERTIFICATE: certificate,
        }
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        for start in range(0, max(len(data), 1), 100_000):
            more = start + 100_000 < len(data)
            self._inbox.put_nowait({"type": "http.request", "body": data[start : start + 100_000], "more_body": more})
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.create_task(app(self._scope, self._inbox.get, self._outbox.put))

    def hang_up(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def start(self) -> Message:
        return await self._next()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._next()
            yield message["body"]
            if not message.get("more_body"):
                return

    async def _next(self) -> Message:
        """The next message of the application, or its exception if it ended without one."""
        getter = asyncio.create_task(self._outbox.get())
        await asyncio.wait({getter, self.task}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        if not getter.done() and self.task.done():
            await self.task
        return await asyncio.wait_for(getter, 5)

    async def reply(self) -> Reply:
        head = await self.start()
        body = b"".join([piece async for piece in self.pieces()])
        await self.task
        return Reply(head["status"], head["headers"], body)


async def ask(
    app: App, method: str, url: str, body: bytes | Any = b"", headers: Mapping[str, str] | None = None, token: str = ADMIN
) -> Reply:
    return await Call(app, method, url, body, headers, token).reply()


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


def pod(name: str = "web", **metadata: Any) -> dict[str, Any]:
    container = {"name": "web", "image": "moorage/echo"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": {"containers": [container]}}
