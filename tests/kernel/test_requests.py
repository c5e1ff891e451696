"""What the agents of a node and of an edge ask of an API server is right, and no more than their role may."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.tls_io import tls_context
from moorage.deploy.rights import RIGHTS
from moorage.model.cluster import Event, Node
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from tests.client.embedded import admin_token, embedded_server, with_token
from tests.kernel import topology
from tests.kernel.agents import EDGE, Agent, node
from tests.kernel.needs import needs_root, unique_instance
from tests.recorded.relay import Relay, relay
from tests.recorded.stories import made
from tests.recorded.wire import conversation
from tests.run.test_controller import until
from tests.sent.exchange import Exchange
from tests.sent.judge import OPEN, judge
from tests.sent.recorded import exchanges
from tests.sent.rights import by_table
from tests.sent.roles import embedded

pytestmark = [pytest.mark.kernel, needs_root]

TAKEN = 32000
"""A `healthCheckNodePort` that something else listens at, so that the agent has something to say."""


@pytest.fixture
def namespace() -> Iterator[topology.Namespace]:
    made = topology.Namespace(unique_instance("requests"))
    yield made
    made.close()


def listening(namespace: topology.Namespace, host: str, port: int) -> socket.socket:
    return namespace.run(lambda: socket.create_server((host, port)))


def heard_of(
    namespace: topology.Namespace,
    directory: Path,
    role: Sequence[str],
    story: Callable[[HttpClient, Relay], Awaitable[None]],
) -> list[Exchange]:
    """Every request of an agent beside the embedded server, until the story is over."""

    async def run() -> list[Exchange]:
        async with asyncio.timeout(40), embedded_server(directory) as kubeconfig:
            access = load(kubeconfig)
            async with (
                relay(access.server, tls_context(access), directory, listening(namespace, "127.0.0.1", 0)) as between,
                HttpClient(access) as client,
            ):
                agent = Agent(
                    namespace.name, directory, role, config=with_token(between.url, between.ca_file, admin_token(directory))
                )
                try:
                    await story(client, between)
                finally:
                    agent.stop()
            return exchanges(conversation(between.passed))

    return asyncio.run(run())


async def populate(client: HttpClient) -> None:
    await client.create(made(Node, "node-1"))
    status = {"addresses": [{"type": "InternalIP", "address": "198.18.0.11"}]}
    await client.merge_patch(Node, Key("", "node-1"), {"status": status}, "status")
    await client.create(
        made(Service, "kube-dns", "kube-system", spec={"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]})
    )
    await client.create(
        made(
            Service,
            "web",
            "default",
            spec={
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": TAKEN,
                "ports": [{"port": 80}],
            },
        )
    )


def test_a_node_agent(namespace: topology.Namespace, tmp_path: Path) -> None:
    async def story(client: HttpClient, between: Relay) -> None:
        await populate(client)
        own = Key("kube-system", "kube-dns-node-1")
        await until(lambda: _is(client, own))
        address = {"status": {"addresses": [{"type": "InternalIP", "address": "198.18.0.12"}]}}
        await client.merge_patch(Node, Key("", "node-1"), address, "status")

        async def moved() -> bool:
            found = await client.get(EndpointSlice, own)
            return [each.addresses for each in found.endpoints] == [("198.18.0.12",)]

        async def told() -> bool:
            return bool((await client.list(Event, "default"))[0])

        await until(moved)
        await until(told)

    with listening(namespace, "0.0.0.0", TAKEN):
        heard = heard_of(namespace, tmp_path, node("--dns-port", "9053", "--metrics-bind-address", ""), story)
    assert {each.agent for each in heard} == {"moorage-node"}
    assert {f"{each.verb.value} {each.ask.full}" for each in heard if each.path not in OPEN} >= {
        "create endpointslices.discovery.k8s.io",
        "update endpointslices.discovery.k8s.io",
        "create events",
        "watch services",
    }
    assert judge(heard, embedded) == []
    assert judge(heard, by_table(RIGHTS)) == []


async def _is(client: HttpClient, key: Key) -> bool:
    return key in [each.key for each in (await client.list(EndpointSlice, key.namespace))[0]]


def test_an_edge(namespace: topology.Namespace, tmp_path: Path) -> None:
    """It votes alone, announces an address, and says so."""

    async def story(client: HttpClient, between: Relay) -> None:
        await populate(client)
        spec = {"type": "LoadBalancer", "loadBalancerClass": "moorage.dev/edge", "ports": [{"port": 80}]}
        front = await client.create(made(Service, "front", "default", spec=spec))
        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        await client.merge_patch(Service, front.key, {"status": status}, "status")

        async def told() -> bool:
            return {each.reason for each in (await client.list(Event, "default"))[0]} >= {"NodeAssigned"}

        async def renews() -> bool:
            return any(each.method == "PUT" for each in conversation(between.passed))

        await until(told)
        await until(renews)

    heard = heard_of(namespace, tmp_path, EDGE, story)
    assert {each.agent for each in heard} == {"moorage-edge"}
    assert {f"{each.verb.value} {each.ask.full}" for each in heard if each.path not in OPEN} >= {
        "create leases.coordination.k8s.io",
        "update leases.coordination.k8s.io",
        "get leases.coordination.k8s.io",
        "watch leases.coordination.k8s.io",
        "create events",
    }
    assert judge(heard, embedded) == []
    assert judge(heard, by_table(RIGHTS)) == []
