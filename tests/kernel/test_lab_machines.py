"""Machines of the lab: who reaches whom, power, and nothing left at the end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moorage.lab import netns_io
from moorage.lab.launch import ASK, ECHO, command_line, machine_entry
from moorage.lab.machines_io import build, destroy, power
from moorage.lab.plan import LabPlan
from moorage.lab.pod_network_io import attach_pod, detach_pod
from moorage.lab.processes_io import Process, Wish, spawn
from moorage.lab.sweep_io import Swept, sweep
from moorage.model.errors import HostError, UserError
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


@pytest.fixture
def plan() -> Iterator[LabPlan]:
    made = LabPlan(unique_instance("lab"), nodes=2)
    yield made
    destroy(made)


def ask(plan: LabPlan, machine: str, target: str, timeout: float = 1.0) -> dict[str, object]:
    """What a client on that machine is told; `failed` counts what it is not."""
    line = command_line(machine_entry(plan, machine), (*ASK, target, f"--timeout={timeout}"))
    return dict(json.loads(subprocess.run(line, capture_output=True, check=False).stdout))


def leftovers(instance: str) -> list[str]:
    """Names that start with the instance's, among namespaces, files and processes."""
    processes = [
        each.parent.name
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if each.parent.name != str(os.getpid()) and f"/{instance}-".encode() in _read(each)
    ]
    files = [str(each) for each in Path("/run/moorage").glob(f"{instance}*")]
    return [name for name in netns_io.names() if name.startswith(instance)] + files + processes


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def echo_on(plan: LabPlan, machine: str, port: int = 8080) -> Process:
    environment = {"POD_NAME": machine, "PATH": "/usr/bin:/bin"}
    return await spawn(Wish(machine_entry(plan, machine), (*ECHO, "--port", str(port)), environment))


async def eventually(look: Callable[[], bool], seconds: float = 5.0) -> None:
    limit = asyncio.get_running_loop().time() + seconds
    while not look():
        assert asyncio.get_running_loop().time() < limit, "it did not happen in time"
        await asyncio.sleep(0.01)


def test_machines_reach_each_other_over_the_lan_until_one_is_switched_off(plan: LabPlan) -> None:
    async def story() -> None:
        await build(plan)
        await echo_on(plan, "node-1")
        await eventually(lambda: ask(plan, "client", "http://node-1:8080/")["ok"] == 1)
        for machine in ("server", "edge", "node-2"):
            answer = ask(plan, machine, "tcp://node-1:8080")
            assert answer["clients"] == {str(plan.machine(machine).address): 1}
        await power(plan, "node-1", on=False)
        assert ask(plan, "client", "tcp://node-1:8080", timeout=0.2)["errors"] == {"timeout": 1}
        await power(plan, "node-1", on=True)
        await eventually(lambda: ask(plan, "client", "tcp://node-1:8080", timeout=0.2)["ok"] == 1)

    asyncio.run(story())


def test_pods_are_reached_from_nodes_and_the_server_and_not_from_outside(plan: LabPlan) -> None:
    first, second = plan.node_machines
    assert first.pod_cidr is not None
    assert second.pod_cidr is not None
    address = first.pod_cidr[2]
    pods = [plan.pod_namespace("default", name, "1") for name in ("a", "b", "c")]

    async def serve() -> Process:
        entry = machine_entry(plan, "node-1")
        return await spawn(Wish(type(entry)(pods[0]), ECHO, {"POD_NAME": "a"}))

    def from_pod(namespace: str, target: str) -> dict[str, object]:
        line = command_line(type(machine_entry(plan, "node-1"))(namespace), (*ASK, target, "--timeout=1"))
        return dict(json.loads(subprocess.run(line, capture_output=True, check=False).stdout))

    async def story() -> None:
        await build(plan)
        await attach_pod(first, pods[0], address)
        await attach_pod(first, pods[1], first.pod_cidr[3])  # type: ignore[index]
        await attach_pod(second, pods[2], second.pod_cidr[2])  # type: ignore[index]
        await serve()
        target = f"{address}:8080"
        await eventually(lambda: ask(plan, "node-1", f"http://{target}")["ok"] == 1)
        assert ask(plan, "node-1", f"http://{target}")["clients"] == {str(first.address): 1}
        for scheme in ("http", "tcp", "udp"):
            assert from_pod(pods[1], f"{scheme}://{target}")["clients"] == {"10.244.1.3": 1}
            assert from_pod(pods[2], f"{scheme}://{target}")["clients"] == {"10.244.2.2": 1}
        assert ask(plan, "server", f"http://{target}")["ok"] == 1
        for outside in ("client", "edge"):
            assert ask(plan, outside, f"http://{target}", timeout=0.2)["errors"] == {"timeout": 1}
            assert ask(plan, outside, "http://10.96.0.1:443", timeout=0.2)["errors"] == {"timeout": 1}
        await detach_pod(second, pods[2], second.pod_cidr[2])  # type: ignore[index]
        await detach_pod(second, pods[2], second.pod_cidr[2])  # type: ignore[index]
        assert not netns_io.exists(pods[2])

    asyncio.run(story())


def test_after_the_end_nothing_is_left_and_a_second_sweep_finds_nothing(plan: LabPlan) -> None:
    async def story() -> None:
        await build(plan)
        process = await echo_on(plan, "client")
        swept = sweep(plan.instance)
        assert len(swept.namespaces) == len(plan.machines) + 1
        assert swept.processes == (process.pid,)
        assert swept.files
        assert await process.wait() == 128 + signal.SIGKILL

    asyncio.run(story())
    assert leftovers(plan.instance) == []
    assert sweep(plan.instance) == Swept()


def test_a_failed_build_leaves_nothing_and_says_what_was_in_the_way(plan: LabPlan) -> None:
    netns_io.create(plan.edge.namespace)
    with pytest.raises(HostError, match=f"{plan.edge.namespace} exists already"):
        asyncio.run(build(plan))
    assert leftovers(plan.instance) == []


def test_a_sweep_leaves_other_instances_alone(plan: LabPlan) -> None:
    other = f"{plan.instance}-2-node-1"
    netns_io.create(other)
    try:
        netns_io.create(plan.client.namespace)
        assert sweep(plan.instance).namespaces == (plan.client.namespace,)
        assert netns_io.exists(other)
    finally:
        netns_io.delete(other)
    with pytest.raises(UserError):
        sweep("../etc")


SUPERVISOR = """
import asyncio, sys
from moorage.lab.launch import ECHO, machine_entry
from moorage.lab.machines_io import build
from moorage.lab.plan import LabPlan
from moorage.lab.processes_io import Wish, spawn

async def main():
    plan = LabPlan(sys.argv[1], nodes=1)
    await build(plan)
    one = await spawn(Wish(machine_entry(plan, "node-1"), ECHO, {}))
    forks = ("/bin/sh", "-c", "/bin/sleep 600 & /bin/sleep 600")
    two = await spawn(Wish(machine_entry(plan, "client"), forks, {}, first=True))
    print(one.pid, two.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_killing_the_supervisor_ends_every_process_and_the_next_sweep_takes_the_rest(plan: LabPlan) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, plan.instance], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with closing(supervisor.stdout) as lines:
        pids = [int(word) for word in lines.readline().split()]
    assert len(pids) == 2
    inside = {netns_io.path(plan.client.namespace).stat().st_ino, netns_io.path(plan.node_machines[0].namespace).stat().st_ino}
    supervisor.kill()
    supervisor.wait()

    def nobody_is_inside() -> bool:
        return not any(_namespace(each) in inside for each in Path("/proc").glob("[0-9]*"))

    asyncio.run(eventually(nobody_is_inside))
    swept = sweep(plan.instance)
    assert len(swept.namespaces) == 5
    assert swept.processes == ()
    assert leftovers(plan.instance) == []


def _namespace(process: Path) -> int:
    try:
        return (process / "ns/net").stat().st_ino
    except OSError:
        return 0


def test_a_socket_lives_where_it_was_made_and_the_caller_stays_where_it_was(plan: LabPlan) -> None:
    home = os.stat("/proc/thread-self/ns/net").st_ino
    asyncio.run(build(plan))
    made = netns_io.socket_in(plan.client.namespace)
    with closing(made):
        assert not made.getblocking()
        made.bind((str(plan.client.address), 0))
        with closing(socket.socket()) as here, pytest.raises(OSError, match="Cannot assign"):
            here.bind((str(plan.client.address), 0))
    with pytest.raises(RuntimeError), netns_io.inside(plan.client.namespace):
        raise RuntimeError
    with pytest.raises(HostError, match="cannot open the network namespace nowhere"):
        netns_io.socket_in("nowhere")
    assert os.stat("/proc/thread-self/ns/net").st_ino == home
