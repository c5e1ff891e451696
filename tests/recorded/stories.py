"""What is done while it is recorded. `role` is the client whose conversation is kept; `admin` does what others do meanwhile.

Every story cleans up after itself, so that the next one begins with a server that has nothing but its own objects.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.mirror_io import Mirror, Want
from moorage.control.broken_objects import BrokenObjectsController
from moorage.control.load_balancers import LoadBalancerController
from moorage.control.loop_io import run_controllers
from moorage.control.types import Controller
from moorage.model.cluster import Namespace, Node
from moorage.model.config import ConfigMap
from moorage.model.errors import ApiError
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.ports import BOOKMARK
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import EndpointSlice

Story = Callable[[HttpClient, HttpClient], Awaitable[None]]

SHOP = "shop"
POOL = Key("metallb-system", "public")
PAGE = 3
"""Objects in a page of the client that is recorded: few, so that there are pages."""

FOLLOWED = (
    Want(Service),
    Want(EndpointSlice),
    Want(Node),
    Want(Namespace),
    Want(ServiceCIDR, optional=True),
)
"""What a node agent wants, without what it leaves out."""

BOUND = 30.0
"""Seconds that a story waits for one thing."""


def made(type_: type[Object], name: str, namespace: str = "", **fields: Any) -> Any:
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return msgspec.convert({"metadata": metadata, **fields}, type_)


def a_service(name: str, **spec: Any) -> Any:
    return made(Service, name, SHOP, spec={"ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec})


def a_slice(service: str, *addresses: str) -> Any:
    return made(
        EndpointSlice,
        f"{service}-1",
        SHOP,
        metadata={"labels": {"kubernetes.io/service-name": service}},
        addressType="IPv4",
        endpoints=[{"addresses": [each], "conditions": {"ready": True}, "nodeName": "node-1"} for each in addresses],
        ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
    )


@asynccontextmanager
async def namespace(admin: HttpClient) -> AsyncIterator[None]:
    """The namespace of a story. Nothing in this cluster takes what is in it away with it, so the story's end does."""
    with suppress(ApiError):
        await admin.create(made(Namespace, SHOP))
    try:
        yield
    finally:
        for type_ in (EndpointSlice, Service, ConfigMap):
            for each in (await admin.list(type_, SHOP))[0]:
                await admin.delete(type_, each.key)


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        await asyncio.sleep(0.05)


async def follow(role: HttpClient, admin: HttpClient) -> None:
    """A node agent's eyes: paged lists, then Services and slices that come, change and go."""
    async with namespace(admin):
        await admin.create(made(Node, "node-1", metadata={"labels": {"topology.kubernetes.io/zone": "east"}}))
        for name in ("a", "b", "c", "d"):
            await admin.create(a_service(name))
        await admin.create(a_slice("a", "10.244.1.2", "10.244.1.3"))
        mirror = Mirror(role, FOLLOWED)
        following = asyncio.create_task(mirror.run())
        try:
            await until(lambda: mirror.synced)
            await asyncio.sleep(0.5)  # watches stand
            await admin.create(a_slice("b", "10.244.1.4"))
            await admin.merge_patch(Service, Key(SHOP, "c"), {"spec": {"sessionAffinity": "ClientIP"}})
            await admin.merge_patch(EndpointSlice, Key(SHOP, "a-1"), {"endpoints": []})
            await admin.delete(Service, Key(SHOP, "d"))
            await until(lambda: mirror.snapshot.get(Service, Key(SHOP, "d")) is None)
            await asyncio.sleep(0.5)
        finally:
            following.cancel()
            await asyncio.wait([following])
            await admin.delete(Node, Key("", "node-1"))


async def bookmarks(role: HttpClient, admin: HttpClient) -> None:
    """A watch that is silent again hears where the server is, once a minute. Of a kind in which nothing has happened since the
    server began it hears nothing at all.
    """
    async with namespace(admin):
        _, version = await role.list(Namespace, fields=f"metadata.name={SHOP}")
        async with aclosing(role.watch(Namespace, version, fields=f"metadata.name={SHOP}")) as events:
            await anext(events)  # the server has accepted
            await admin.merge_patch(Namespace, Key("", SHOP), {"metadata": {"labels": {"at": f"t{time.time_ns()}"}}})
            async for event in events:
                if event.type == BOOKMARK:
                    return


async def expired(role: HttpClient, admin: HttpClient) -> None:
    """The server forgets: a watch from long ago, and the next page of a list. Wants a server that compacts every second."""
    async with namespace(admin):
        for number in range(PAGE + 2):
            await admin.create(a_service(f"s{number}"))
        query = {"limit": str(PAGE)}
        page = msgspec.json.decode(await role._connection.request("GET", f"/api/v1/namespaces/{SHOP}/services", query))
        for _ in range(8):
            await admin.merge_patch(Namespace, Key("", SHOP), {"metadata": {"labels": {"at": f"t{time.time_ns()}"}}})
            await asyncio.sleep(1)
        with suppress(ApiError):
            following = {**query, "continue": page["metadata"]["continue"]}
            await role._connection.request("GET", f"/api/v1/namespaces/{SHOP}/services", following)
        with suppress(ApiError):
            async with aclosing(role.watch(Service, "1", SHOP)) as events:
                async for _ in events:
                    pass


async def refused(role: HttpClient, admin: HttpClient) -> None:
    """One request for each way in which a server says no. The role may read and write ConfigMaps and Services in `shop`."""
    async with namespace(admin):
        key = Key(SHOP, "settings")
        first = await role.create(made(ConfigMap, key.name, SHOP, data={"a": "1"}))
        await role.merge_patch(ConfigMap, key, {"data": {"a": "2"}})
        for deed in (
            role.create(first),
            role.create(made(ConfigMap, key.name, SHOP)),
            role.update(first),
            role.get(ConfigMap, Key(SHOP, "missing")),
            role.list(IPAddressPool),
            role.create(made(ConfigMap, "settings", "default")),
            role.create(a_service("web", type="LoadBalancer", clusterIP="None", ports=[{"port": 0}, {"port": 80}])),
            role.delete(ConfigMap, key, uid="00000000-0000-0000-0000-000000000000"),
        ):
            with suppress(ApiError):
                await deed


async def absent(role: HttpClient, admin: HttpClient) -> None:
    """A kind that the server does not have, though the role may list it. Wants a server without MetalLB's kinds."""
    with suppress(ApiError):
        await role.list(IPAddressPool)
    with suppress(ApiError):
        await role.merge_patch(IPAddressPool, POOL, {"status": {"assignedIPv4": 1}}, "status")


async def busy(role: HttpClient, admin: HttpClient) -> None:
    """A server without a seat to spare for lists of ConfigMaps in `shop`. Wants a priority level without a queue whose seats
    are taken (API priority and fairness).
    """
    with suppress(ApiError):
        await role.list(ConfigMap, SHOP)


def balancing(client: HttpClient) -> tuple[Mirror, list[asyncio.Task[None]]]:
    """The controllers that run on a cluster of somebody else, at work."""
    controllers: tuple[Controller, ...] = (LoadBalancerController("edge"), BrokenObjectsController())
    wanted = dict.fromkeys(type_ for each in controllers for type_ in each.wants)
    mirror = Mirror(client, [Want(each, optional=True) for each in wanted])
    working = run_controllers(controllers, mirror, client, time.time)
    return mirror, [asyncio.create_task(mirror.run()), asyncio.create_task(working)]


async def balance(role: HttpClient, admin: HttpClient) -> None:
    """Load-balancer addresses for two Services, and not for a third; one goes again. Then a pool that comes late."""
    async with namespace(admin):
        await admin.create(made(IPAddressPool, POOL.name, POOL.namespace, spec={"addresses": ["192.0.2.0/31"]}))
        mirror, tasks = balancing(role)

        def shown() -> Mapping[str, list[str]]:
            found = mirror.snapshot.all(Service).values()
            return {each.metadata.name: [one.ip for one in each.status.load_balancer.ingress] for each in found}

        try:
            await admin.create(a_service("first", type="LoadBalancer"))
            await until(lambda: shown().get("first") == ["192.0.2.0"])
            await admin.create(a_service("second", type="LoadBalancer"))
            await until(lambda: shown().get("second") == ["192.0.2.1"])
            await admin.create(a_service("third", type="LoadBalancer"))
            await asyncio.sleep(0.5)
            await admin.delete(Service, Key(SHOP, "first"))
            await until(lambda: "first" not in shown() and shown()["third"] == ["192.0.2.0"])
            await asyncio.sleep(1)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for name in ("second", "third"):
                await admin.merge_patch(Service, Key(SHOP, name), {"metadata": {"finalizers": None}})
            await admin.delete(IPAddressPool, POOL)


STORIES: Mapping[str, Story] = {each.__name__: each for each in (follow, bookmarks, expired, refused, absent, busy, balance)}
