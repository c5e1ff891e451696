"""Two controllers of one cluster against the embedded server: one works, and when it ends the other one does."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.cluster import Event, Lease, Node
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.controller import run_controller
from moorage.run.server import KubeconfigTarget, ServerSettings, run_server
from moorage.settings.roles import ControllerSettings
from tests.run.test_controller import made, until

BOUND = 30.0


async def asked(port: int, path: str) -> tuple[int, Any]:
    """The code and the JSON; code 0 where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, None
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


async def serving(directory: Path) -> tuple[asyncio.Task[None], Path, Path]:
    """The server, the administrator's kubeconfig and the controllers': what their role allows is all that they may."""
    admin, controller = directory / "admin.conf", directory / "controller.conf"
    targets = (KubeconfigTarget("admin", "", str(admin)), KubeconfigTarget("controller", "", str(controller)))
    task = asyncio.create_task(run_server(ServerSettings(str(directory), ("127.0.0.1:0",), kubeconfigs=targets)))
    while not controller.exists():
        done, _ = await asyncio.wait([task], timeout=0.01)
        if done:
            task.result()
    return task, admin, controller


def settings(kubeconfig: Path, port: int) -> ControllerSettings:
    return ControllerSettings(
        kubeconfig=str(kubeconfig),
        controllers=("endpointslice-controller",),
        health_port=port,
        leader_elect=True,
        lease_duration=5.0,
        renew_deadline=4.0,
        retry_period=0.2,
    )


def test_one_of_two_works(tmp_path: Path) -> None:
    async def story() -> None:
        server, admin, kubeconfig = await serving(tmp_path)
        ports = free_port(), free_port()
        roles = [asyncio.create_task(run_controller(settings(kubeconfig, ports[0])))]
        try:
            async with HttpClient(load(admin)) as client:
                await client.create(made(Node, "node-1", ""))

                async def leads(port: int) -> bool:
                    return await asked(port, "/readyz") == (200, (await asked(port, "/healthz"))[1]) and bool(
                        (await asked(port, "/readyz"))[1]["leads"]
                    )

                await until(lambda: leads(ports[0]))
                roles.append(asyncio.create_task(run_controller(settings(kubeconfig, ports[1]))))

                async def waits() -> bool:
                    code, body = await asked(ports[1], "/readyz")
                    return code == 200 and not body["leads"] and body["leader"] != body["identity"]

                await until(waits)
                await _serves(client, "first")
                first = (await client.get(Lease, Key("moorage-system", "moorage-controller"))).spec.holder_identity
                assert first == (await asked(ports[0], "/healthz"))[1]["identity"]

                roles[0].cancel()
                await asyncio.wait([roles[0]])
                await until(lambda: leads(ports[1]))
                await _serves(client, "second")
                lease = await client.get(Lease, Key("moorage-system", "moorage-controller"))
                assert lease.spec.lease_transitions == 1
                assert lease.spec.holder_identity == (await asked(ports[1], "/healthz"))[1]["identity"] != first

                async def told() -> bool:
                    events = (await client.list(Event, "moorage-system"))[0]
                    return {each.message for each in events} == {
                        f"{first} became leader",
                        f"{lease.spec.holder_identity} became leader",
                    }

                await until(told)
        finally:
            for each in (*roles, server):
                each.cancel()
            await asyncio.wait([*roles, server])

    async def bounded() -> None:
        async with asyncio.timeout(BOUND):
            await story()

    asyncio.run(bounded())


async def _serves(client: HttpClient, name: str) -> None:
    """A Service gets its slice: the controllers work."""
    await client.create(made(Service, name, spec={"selector": {"app": name}, "ports": [{"port": 80}]}))

    async def has_slice() -> bool:
        return bool((await client.list(EndpointSlice, "default", labels=f"kubernetes.io/service-name={name}"))[0])

    await until(has_slice)
