"""`moorage uninstall` leaves no rule, no address and no finalizer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from msgspec.structs import replace

from moorage.announce.accepting_io import Accepting
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.control.load_balancers import CLEANUP_FINALIZER
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec
from moorage.model.service import PROVIDER_ANNOTATION, Service
from moorage.run.uninstalling import PART_OF, PRODUCT
from tests.client.embedded import embedded_server
from tests.control.things import balanced
from tests.datapath.tables import frontend, table
from tests.kernel.needs import needs_root
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]


@pytest.fixture
def node() -> Iterator[Namespace]:
    made = Namespace("moorage-test-uninstall")
    yield made
    made.close()


def uninstall_node(node: Namespace) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "moorage", "uninstall", "--node", "--output", "json"]
    said = node.run(lambda: subprocess.run(command, capture_output=True, text=True, check=True, timeout=30))
    found: dict[str, list[str]] = json.loads(said.stdout)
    return found


def shown(node: Namespace, *command: str) -> str:
    return node.run(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_node_is_left_as_it_was(node: Namespace) -> None:
    def fill() -> None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(table(frontend(backends=(1, 2))))
        datapath.close()
        subprocess.run(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"], check=True)
        subprocess.run(["ip", "link", "set", "lan0", "up"], check=True)
        address = ip_address("192.0.2.7")
        asyncio.run(Accepting().accept([address], [address]))
        subprocess.run(["ip", "route", "add", "local", "192.0.2.8", "dev", "lo", "table", "7577"], check=True)
        subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "lan0"], check=True)
        subprocess.run(["nft", "add", "table", "ip", "theirs"], check=True)

    node.run(fill)
    gone = uninstall_node(node)
    assert gone["addresses"] == ["192.0.2.7"]
    assert gone["tables"] == ["ip moorage", "ip6 moorage"]
    assert shown(node, "nft", "list", "tables").split("\n")[0] == "table ip theirs"
    assert "moorage" not in shown(node, "nft", "list", "ruleset")
    assert "192.0.2.1/24" in shown(node, "ip", "address", "show", "dev", "lan0")
    routes = shown(node, "ip", "route", "show", "table", "7577").splitlines()
    assert [each.split()[:2] for each in routes] == [["local", "192.0.2.8"]], "that of somebody else"
    assert "7577" not in shown(node, "ip", "rule")
    assert not any(uninstall_node(node).values())


def test_a_cluster_lets_its_services_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with embedded_server(tmp_path) as kubeconfig, HttpClient(load(str(kubeconfig))) as client:
            made = balanced("web", "", {PROVIDER_ANNOTATION: "announce"}, cluster_ip="")
            made = await client.create(replace(made, metadata=replace(made.metadata, finalizers=(CLEANUP_FINALIZER,))))
            command = (sys.executable, "-m", "moorage", "uninstall", "--kubeconfig", str(kubeconfig))
            running = Pod(
                metadata=ObjectMeta(name="ours", namespace="moorage-system", labels={PART_OF: PRODUCT}),
                spec=PodSpec(containers=(Container(name="main", image="moorage"),)),
            )
            await client.create(running)
            child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
            _, said = await child.communicate()
            assert child.returncode == 2
            assert b"1 Pods of ours are there (moorage-system/ours)" in said
            await client.delete(Pod, running.key, grace_seconds=0)
            child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            said, _ = await child.communicate()
            assert (child.returncode, said.decode().strip()) == (0, "let go Service default/web")
            found = await client.get(Service, made.key)
            assert found.metadata.finalizers == ()
            await client.delete(Service, made.key)
            assert made.key not in [each.key for each in (await client.list(Service, "default"))[0]]

    asyncio.run(story())
