"""The whole lab with no more rights than each part needs: nothing is refused, and no node can touch what is another's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from moorage.cli.kubectl import find_kubectl
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.plan import LabPlan
from moorage.model.cluster import NODE_LEASE_NAMESPACE, Lease, Node
from moorage.model.errors import ApiError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.standalone import UpSettings
from moorage.run.state_io import Running, directory
from moorage.run.traffic import Traffic
from moorage.run.up_io import detached, end
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
READY = ("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    instance = unique_instance("rights")
    try:
        yield detached(UpSettings(instance=instance, nodes=2, port=0))
    finally:
        end(instance)


def client_of(running: Running, who: str) -> HttpClient:
    """The client that a part of the system is, reached from the host."""
    access = load(directory(running.instance) / "kubeconfigs" / who)
    return HttpClient(msgspec.structs.replace(access, server=running.server))


def test_a_busy_life_without_a_refusal(running: Running) -> None:
    """Services of every type, Pods that come and go, a node that dies and returns, events: all of it is allowed."""

    async def story() -> None:
        async with HttpClient(load(running.kubeconfig)) as client:
            traffic = Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl())
            await traffic.kubectl("apply", "-f", str(EXAMPLES))
            await traffic.kubectl(*READY)
            path = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}"
            await traffic.kubectl("wait", path, "service/my-production-app-service", "--timeout=30s")
            assert (await traffic.ask("pod/my-api-client", "http://my-api-service", 20)).failed == 0
            await traffic.power("node-2", False)
            await traffic.power("node-2", True)
            await traffic.kubectl(*READY)
            await traffic.kubectl("delete", "service", "my-production-app-service", "--timeout=30s")
            await traffic.kubectl("delete", "pods", "--all", "--timeout=30s")
            answered = [each for each in (await traffic.kubectl("get", "--raw", "/metrics")).splitlines() if 'code="' in each]
            assert any('code="201"' in each for each in answered)
            assert [each for each in answered if 'code="403"' in each or 'code="401"' in each] == []

    asyncio.run(story())


Deed = Callable[[HttpClient], Awaitable[object]]

SPEC = {"spec": {"holderIdentity": "node-1"}}
DEEDS: dict[str, Deed] = {
    "renew another's Lease": lambda c: c.merge_patch(Lease, Key(NODE_LEASE_NAMESPACE, "node-2"), SPEC),
    "make another's Lease": lambda c: c.create(Lease(metadata=ObjectMeta(name="node-3", namespace=NODE_LEASE_NAMESPACE))),
    "take a Node": lambda c: c.create(Node(metadata=ObjectMeta(name="node-3"))),
    "speak for another Node": lambda c: c.merge_patch(Node, Key("", "node-2"), {"status": {"conditions": []}}, "status"),
    "offer DNS for another": lambda c: c.update(
        EndpointSlice(metadata=ObjectMeta(name="kube-dns-node-2", namespace="kube-system"), address_type="IPv4")
    ),
    "see every Pod": lambda c: c.list(Pod),
    "delete a Service": lambda c: c.delete(Service, Key("default", "kubernetes")),
    "run a Pod": lambda c: c.create(Pod(metadata=ObjectMeta(name="x", namespace="default"))),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_node_may_not(running: Running, deed: str) -> None:
    async def story() -> None:
        async with client_of(running, "node-node-1") as client:
            with pytest.raises(ApiError) as refused:
                await DEEDS[deed](client)
            assert refused.value.code == 403

    asyncio.run(story())


def test_a_reader_only_reads(running: Running) -> None:
    async def story() -> None:
        async with client_of(running, "reader") as client:
            services, _ = await client.list(Service)
            assert "kubernetes" in {each.metadata.name for each in services}
            with pytest.raises(ApiError) as refused:
                await client.delete(Service, Key("default", "kubernetes"))
            assert refused.value.code == 403

    asyncio.run(story())


def test_a_kubeconfig_for_those_who_only_look(running: Running, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "moorage", "kubeconfig", "--instance", running.instance]
    for user, options in (("admin", []), ("reader", ["--user", "reader"])):
        printed = subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout
        (tmp_path / user).write_text(printed)
        asking = [find_kubectl(), f"--kubeconfig={tmp_path / user}", f"--cache-dir={tmp_path}", "auth", "whoami"]
        told = subprocess.run(
            [*asking, "-o", "jsonpath={.status.userInfo.username}"], capture_output=True, text=True, check=True
        )
        assert told.stdout == user


def test_kubeconfigs_are_private_and_hold_one_identity(running: Running) -> None:
    files = {each.name: each for each in (directory(running.instance) / "kubeconfigs").iterdir()}
    assert set(files) == {"controller", "reader", "edge-edge", "node-node-1", "node-node-2"}
    assert {each.stat().st_mode & 0o777 for each in files.values()} == {0o600}
    shown = {name: load(each).certificate_data for name, each in files.items()}
    assert len(set(shown.values())) == 5
    assert not shown["reader"]
