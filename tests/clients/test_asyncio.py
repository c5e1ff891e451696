"""`kubernetes-asyncio`: many calls at once, a watch beside them, pages, patches, refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException

from tests.server import Server

WAIT = 20.0


def service(name: str) -> Any:
    ports = [client.V1ServicePort(name="http", port=80, target_port=8080)]
    return client.V1Service(metadata=client.V1ObjectMeta(name=name), spec=client.V1ServiceSpec(ports=ports))


def test_many_at_once_and_a_watch_beside_them(server: Server, namespace: str) -> None:
    names = [f"web-{number}" for number in range(20)]

    async def follow(core: Any, since: str, count: int) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        async with watch.Watch() as watching:
            async for event in watching.stream(core.list_namespaced_service, namespace, resource_version=since):
                told.append((event["type"], event["object"].metadata.name))
                if len(told) == count:
                    return told
        return told

    async def story() -> None:
        loaded = client.Configuration()
        await config.load_kube_config(config_file=str(server.kubeconfig), client_configuration=loaded)
        async with client.ApiClient(loaded) as api:
            core = client.CoreV1Api(api)
            since = (await core.list_namespaced_service(namespace)).metadata.resource_version
            following = asyncio.create_task(follow(core, since, 3 * len(names)))
            made = await asyncio.gather(*(core.create_namespaced_service(namespace, service(name)) for name in names))
            assert len({each.spec.cluster_ip for each in made}) == len(names)
            patch = {"metadata": {"labels": {"turn": "2"}}}
            await asyncio.gather(*(core.patch_namespaced_service(name, namespace, patch) for name in names))
            page = await core.list_namespaced_service(namespace, limit=15, label_selector="turn=2")
            rest = await core.list_namespaced_service(
                namespace, limit=15, _continue=page.metadata._continue, label_selector="turn=2"
            )
            assert sorted(each.metadata.name for each in [*page.items, *rest.items]) == sorted(names)
            await asyncio.gather(*(core.delete_namespaced_service(name, namespace) for name in names))
            async with asyncio.timeout(WAIT):
                told = await following
            for name in names:
                assert [type_ for type_, about in told if about == name] == ["ADDED", "MODIFIED", "DELETED"]
            with pytest.raises(ApiException) as refused:
                await core.read_namespaced_service("web-1", namespace)
            assert refused.value.status == 404
            stale = made[0]
            await core.create_namespaced_service(namespace, service("web-0"))
            with pytest.raises(ApiException) as refused:
                await core.replace_namespaced_service("web-0", namespace, stale)
            assert refused.value.status == 409

    asyncio.run(story())
