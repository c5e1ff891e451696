"""The server role: what it refuses to start with, what survives a restart."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.errors import HostError, UserError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.model.service_cidrs import IPAddress, ServiceCIDR
from moorage.run.server import KubeconfigTarget, ServerSettings, run_server

WAIT = 20.0


async def served(settings: ServerSettings, kubeconfig: Path) -> asyncio.Task[None]:
    """The running server; what it points to can be used once the kubeconfig is there."""
    kubeconfig.unlink(missing_ok=True)
    serving = asyncio.create_task(run_server(settings))
    async with asyncio.timeout(WAIT):
        while not kubeconfig.exists() and not serving.done():  # noqa: ASYNC110  a file appears: nothing to wait on
            await asyncio.sleep(0.01)
    return serving


async def end(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    await asyncio.wait({serving}, timeout=WAIT)
    assert serving.cancelled()


def test_a_second_family_can_be_added_at_a_restart(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    spec = ServiceSpec(ports=(ServicePort(port=80),), ip_family_policy="PreferDualStack")
    web = Service(api_version="v1", kind="Service", metadata=ObjectMeta(name="web", namespace="default"), spec=spec)

    async def story() -> None:
        settings = ServerSettings(
            data_dir=str(tmp_path / "data"),
            listen=("127.0.0.1:0",),
            kubeconfigs=(KubeconfigTarget("admin", "", str(kubeconfig)),),
        )
        serving = await served(settings, kubeconfig)
        async with HttpClient(load(str(kubeconfig))) as client:
            assert (await client.create(web)).spec.ip_families == ("IPv4",)
        await end(serving)
        serving = await served(msgspec.structs.replace(settings, service_cidr="10.96.0.0/16,fd00:10:96::/112"), kubeconfig)
        async with HttpClient(load(str(kubeconfig))) as client:
            patch = {"spec": {"ipFamilyPolicy": "RequireDualStack"}}
            first, second = (await client.merge_patch(Service, Key("default", "web"), patch)).spec.cluster_ips
            assert (await client.get(IPAddress, Key("", second))).spec.parent_ref is not None
            assert (await client.get(ServiceCIDR, Key("", "kubernetes"))).spec.cidrs == ("10.96.0.0/16", "fd00:10:96::/112")
        await end(serving)
        assert (first.startswith("10.96."), second.startswith("fd00:10:96::")) == (True, True)

    asyncio.run(story())


def test_objects_and_identities_survive_a_restart(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    ports = (ServicePort(port=80),)
    web = Service(
        api_version="v1", kind="Service", metadata=ObjectMeta(name="web", namespace="default"), spec=ServiceSpec(ports=ports)
    )

    async def story() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        settings = ServerSettings(
            data_dir=str(tmp_path / "data"),
            listen=(),
            listen_fds=(listening.fileno(),),
            kubeconfigs=(KubeconfigTarget("admin", "", str(kubeconfig)),),
        )
        serving = await served(settings, kubeconfig)
        before = kubeconfig.read_text()
        async with HttpClient(load(str(kubeconfig))) as client:
            created = await client.create(web)
        listening.detach()
        await end(serving)
        again = msgspec.structs.replace(settings, listen=("127.0.0.1:0",), listen_fds=())
        serving = await served(again, kubeconfig)
        after = kubeconfig.read_text()
        async with HttpClient(load(str(kubeconfig))) as client:
            found = await client.get(Service, Key("default", "web"))
        await end(serving)
        assert found == created
        unchanged = [line for line in before.splitlines() if "server:" not in line]
        assert unchanged == [line for line in after.splitlines() if "server:" not in line]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"listen": ("nonsense",)}, "'nonsense' is no HOST:PORT"),
        ({"listen": ("127.0.0.1:70000",)}, "'127.0.0.1:70000' is no HOST:PORT"),
        ({"listen": ()}, "nothing to listen at"),
        ({"service_cidr": "10.96.0.1/16"}, "service range: 10.96.0.1/16 has host bits set"),
        ({"service_cidr": "10.96.0.0/16,10.97.0.0/16"}, "a second service range must be of the other address family"),
        ({"service_cidr": "fd00::/48"}, "shortest allowed prefix length for service CIDR is 64, got 48"),
        (
            {"kubeconfigs": (KubeconfigTarget("spoon", "", "/nowhere"),)},
            "there is no user 'spoon': there are admin, reader, controller",
        ),
        ({"kubeconfigs": (KubeconfigTarget("node:../x", "", "/nowhere"),)}, "'node:../x' names no node"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, change: dict[str, object], message: str) -> None:
    settings = ServerSettings(**{"data_dir": str(tmp_path), "listen": ("127.0.0.1:0",), **change})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        asyncio.run(run_server(settings))


def test_an_address_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ServerSettings(data_dir=str(tmp_path), listen=(f"127.0.0.1:{port}",))
        with pytest.raises(HostError, match=f"cannot listen at 127.0.0.1:{port}"):
            asyncio.run(run_server(settings))


def test_a_descriptor_that_is_no_socket(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        settings = ServerSettings(data_dir=str(tmp_path / "data"), listen=(), listen_fds=(file.fileno(),))
        with pytest.raises(HostError, match="is no socket"):
            asyncio.run(run_server(settings))
