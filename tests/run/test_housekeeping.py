"""What kube-controller-manager does for a cluster, done by `moorage controller` against the embedded server over TLS.

Upstream's counterparts are `test/integration/garbagecollector` and `test/integration/serviceaccount`.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from moorage.announce.roll import own_lease, view_lease
from moorage.announce.wish import View
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror
from moorage.control.announcements import OWN_LEASE, AnnouncementsController
from moorage.control.loop_io import run_controllers
from moorage.model.announcing import EDGES, l2_status_name
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, Namespace
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.errors import ApiError
from moorage.model.meta import Key, Object
from moorage.model.metallb import ServiceL2Status
from moorage.model.service import Service
from moorage.run.controller import MAKERS, Means, wants
from moorage.settings.roles import ControllerSettings
from tests.client.embedded import embedded_server
from tests.run.test_controller import BOUND, controlled, made, slices_of, until


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


def test_only_what_is_ours_is_followed_of_leases_that_all_kubelets_renew() -> None:
    def followed(*names: str) -> dict[str, str]:
        made = [MAKERS[each](Means(ControllerSettings(), None)) for each in names]
        return {want.type.__name__: want.namespace for want in wants(made)}

    assert followed("broken-objects-controller", "announcements-controller") == {
        "Service": "",
        "EndpointSlice": "",
        "Node": "",
        "Lease": "moorage-system",
        "ServiceL2Status": "moorage-system",
        "ServiceBGPStatus": "",
    }
    assert followed("announcements-controller", "withdrawal-controller")["Lease"] == ""


def test_an_edge_that_is_gone_leaves_no_lease_and_a_node_no_status(tmp_path: Path) -> None:
    """By the real controller with a shorter patience, and requests that the server judges."""

    async def story(client: HttpClient) -> None:
        controller = AnnouncementsController(silence=0.8, look=0.1)
        mirror = Mirror(client, wants([controller]))
        working = [asyncio.create_task(mirror.run())]
        working.append(asyncio.create_task(run_controllers([controller], mirror, client, time.time)))
        try:
            if not await is_there(client, Namespace, SYSTEM_NAMESPACE, ""):
                await client.create(made(Namespace, SYSTEM_NAMESPACE, ""))
            status = l2_status_name("gone", Key("default", "web"))
            await client.create(made(ServiceL2Status, status, SYSTEM_NAMESPACE))
            await client.create(view_lease(EDGES, "a", View(1, ("a",)), time.time(), None))
            for name in ("a", "b"):
                await client.create(own_lease(EDGES, name, (), time.time(), None))

            async def gone() -> bool:
                lease = EDGES.lease("b")
                there = await is_there(client, Lease, lease.name, lease.namespace)
                return not there and not await is_there(client, ServiceL2Status, status, SYSTEM_NAMESPACE)

            await until(gone)
            left = {key.name for key in (each.key for each in (await client.list(Lease, SYSTEM_NAMESPACE))[0])}
            assert left >= {"announce-edge-a", "announce-view-edge", OWN_LEASE.name}
        finally:
            for each in working:
                each.cancel()
            await asyncio.wait(working)

    async def run() -> None:
        async with (
            asyncio.timeout(BOUND),
            embedded_server(tmp_path) as kubeconfig,
            HttpClient(load(str(kubeconfig))) as client,
        ):
            await story(client)

    asyncio.run(run())
