"""What kube-controller-manager does for a cluster, done by `moorage controller` against the embedded server over TLS.

Upstream's counterparts are `test/integration/garbagecollector` and `test/integration/serviceaccount`.
"""

from __future__ import annotations

from pathlib import Path

from moorage.client.http_io import HttpClient
from moorage.model.cluster import Namespace
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.errors import ApiError
from moorage.model.meta import Key, Object
from moorage.model.service import Service
from tests.run.test_controller import controlled, made, slices_of, until


async def is_there(client: HttpClient, type_: type[Object], name: str, namespace: str = "default") -> bool:
    try:
        await client.get(type_, Key(namespace, name))
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def owned_by(owner: Object) -> dict[str, object]:
    meta = owner.metadata
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": meta.name, "uid": meta.uid, "blockOwnerDeletion": True}


def test_a_new_namespace_is_furnished(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        await client.create(made(Namespace, "shop", ""))
        await until(lambda: is_there(client, ServiceAccount, "default", "shop"))
        await until(lambda: is_there(client, ConfigMap, "kube-root-ca.crt", "shop"))
        found = await client.get(ConfigMap, Key("shop", "kube-root-ca.crt"))
        assert found.data["ca.crt"] == (tmp_path / "pki" / "ca.crt").read_text()

    controlled(tmp_path, story)


def test_the_slices_of_a_service_go_with_it(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        await client.create(made(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}))

        async def listed() -> bool:
            return len(await slices_of(client, "web")) == 1

        async def gone() -> bool:
            return not await slices_of(client, "web")

        await until(listed)
        await client.delete(Service, Key("default", "web"))
        await until(gone)

    controlled(tmp_path, story)


def test_the_three_policies(tmp_path: Path) -> None:
    async def story(client: HttpClient) -> None:
        for policy in ("Background", "Foreground", "Orphan"):
            name = policy.lower()
            owner = await client.create(made(ConfigMap, name))
            await client.create(made(Secret, name, metadata={"ownerReferences": [owned_by(owner)]}))
            await client.delete(ConfigMap, owner.key, owner.metadata.uid, propagation=policy)

            async def ended(name: str = name, stays: bool = policy == "Orphan") -> bool:
                return not await is_there(client, ConfigMap, name) and await is_there(client, Secret, name) is stays

            await until(ended)
        orphan = await client.get(Secret, Key("default", "orphan"))
        assert orphan.metadata.owner_references == ()

    controlled(tmp_path, story)
