"""The controllers against the embedded server over TLS: what they write is accepted, and is what Kubernetes users see.

Upstream's counterparts are `test/integration/endpointslice` and `test/integration/endpoints`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moorage.client.connection_io import Connection
from moorage.client.decode import error_of
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.cluster import Event, Node
from moorage.model.endpoints import Endpoints
from moorage.model.errors import ApiError
from moorage.model.meta import Key, Object
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointHints, EndpointSlice, ForNode, ForZone
from moorage.run.controller import run_controller
from moorage.settings.roles import ControllerSettings
from tests.client.embedded import embedded_server

BOUND = 20.0


def controlled(directory: Path, story: Callable[[HttpClient], Awaitable[None]]) -> None:
    """Runs the story beside a server and the controllers."""

    async def run() -> None:
        async with asyncio.timeout(BOUND), embedded_server(directory) as kubeconfig:
            working = asyncio.create_task(
                run_controller(
                    ControllerSettings(kubeconfig=str(kubeconfig), load_balancer="none", node_grace=1e6, health_port=0)
                )
            )
            try:
                async with HttpClient(load(str(kubeconfig))) as client:
                    await story(client)
            finally:
                working.cancel()
                await asyncio.wait([working])

    asyncio.run(run())


def made(type_: type[Object], name: str, namespace: str = "default", **fields: Any) -> Any:
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return msgspec.convert({"metadata": metadata, **fields}, type_)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits, within the bound of the story."""
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # what is waited for is state of the server, which tells nobody


async def slices_of(client: HttpClient, name: str) -> list[EndpointSlice]:
    return list((await client.list(EndpointSlice, "default", labels=f"kubernetes.io/service-name={name}"))[0])


async def start_pod(client: HttpClient, name: str, ip: str, node: str) -> None:
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "moorage/echo"}]}
    await client.create(made(Pod, name, metadata={"labels": {"app": "web"}}, spec=spec))
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": ready}
    await client.merge_patch(Pod, Key("default", name), {"status": status}, "status")


def test_from_pods_to_slices_and_endpoints(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        for node, zone in (("node-1", "east"), ("node-2", "west")):
            await client.create(made(Node, node, "", metadata={"labels": {"topology.kubernetes.io/zone": zone}}))
        spec = {
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080}],
            "trafficDistribution": "PreferSameNode",
        }
        await client.create(made(Service, "web", spec=spec))
        await start_pod(client, "a", "10.244.1.2", "node-1")
        await start_pod(client, "b", "10.244.2.2", "node-2")

        async def listed() -> bool:
            try:
                found = await client.get(Endpoints, Key("default", "web"))
            except ApiError:
                return False
            return [each.ip for subset in found.subsets for each in subset.addresses] == ["10.244.1.2", "10.244.2.2"]

        await until(listed)
        [one] = await slices_of(client, "web")
        assert {each.node_name: each.hints for each in one.endpoints} == {
            "node-1": EndpointHints(for_zones=(ForZone(name="east"),), for_nodes=(ForNode(name="node-1"),)),
            "node-2": EndpointHints(for_zones=(ForZone(name="west"),), for_nodes=(ForNode(name="node-2"),)),
        }
        await client.delete(Service, Key("default", "web"))
        await until(lambda: absent(client, Endpoints, "web"))
        await until(lambda: absent(client, EndpointSlice, one.metadata.name))

    controlled(tmp_path, story)


async def absent(client: HttpClient, type_: type[Object], name: str) -> bool:
    return Key("default", name) not in [each.key for each in (await client.list(type_, "default"))[0]]


def test_endpoints_written_by_hand_are_mirrored(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        subsets = [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": [{"port": 8080}]}]
        # In this order: Endpoints without a Service that are there when the controllers start are leftovers, and are deleted.
        await client.create(made(Service, "web", spec={"ports": [{"port": 80}]}))
        await client.create(made(Endpoints, "web", subsets=subsets))
        await until(lambda: has_slices(client, "web", 2))
        found = {each.address_type: each.endpoints[0].addresses[0] for each in await slices_of(client, "web")}
        assert found == {"IPv4": "192.0.2.1", "IPv6": "2001:db8::1"}
        skip = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
        await client.merge_patch(Endpoints, Key("default", "web"), skip)
        await until(lambda: has_slices(client, "web", 0))

    controlled(tmp_path, story)


def test_a_broken_object_gives_an_event(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        service = await client.create(made(Service, "web", spec={"ports": [{"port": 80}]}))
        ranges = {"metadata": {"annotations": {"moorage.dev/port-ranges": "90-80"}}}
        await client.merge_patch(Service, service.key, ranges)
        found: list[Event] = []

        async def told() -> bool:
            found[:] = (await client.list(Event, "default"))[0]
            return bool(found)

        await until(told)
        (event,) = found
        assert (event.involved_object.name, event.reason, event.type) == ("web", "InvalidObject", "Warning")
        assert event.message.startswith("metadata.annotations[moorage.dev/port-ranges]: ")

    controlled(tmp_path, story)


async def has_slices(client: HttpClient, name: str, number: int) -> bool:
    return len(await slices_of(client, name)) == number


def test_a_cluster_without_the_kinds_of_metallb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers as a kube-apiserver does (`tests/recorded/data/absent.jsonl`); nobody waits for what is not there."""
    request = Connection.request

    async def without(self: Connection, method: str, path: str, *rest: Any, **more: Any) -> bytes:
        if path.startswith("/apis/metallb.io/"):
            raise error_of(404, b"404 page not found\n")
        return await request(self, method, path, *rest, **more)

    async def story(client: HttpClient) -> None:
        await client.create(made(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}))
        await until(lambda: has_slices(client, "web", 1))

    monkeypatch.setattr(Connection, "request", without)
    controlled(tmp_path, story)
