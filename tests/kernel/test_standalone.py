"""Beginnings and ends of the standalone system: without a load balancer, after a crash, and without a trace."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.announce.roll import view_of
from moorage.cli.kubectl import find_kubectl
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.plan import LabPlan
from moorage.lab.sweep_io import sweep
from moorage.model.announcing import EDGES
from moorage.model.cluster import Event, Lease
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.run.standalone import UpSettings
from moorage.run.state_io import directory, read_running
from moorage.run.up_io import detached, end
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]


@pytest.fixture
def instance() -> Iterator[str]:
    name = unique_instance("up")
    try:
        yield name
    finally:
        end(name)


def processes_of(instance: str) -> list[int]:
    """Every process whose command line or environment names the instance's files."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"/{instance}/".encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def namespaces_of(instance: str) -> list[str]:
    return [each.name for each in Path("/run/netns").glob(f"{instance}-*")]


def assert_nothing_is_left(instance: str) -> None:
    limit = time.monotonic() + 5
    while processes_of(instance) and time.monotonic() < limit:
        time.sleep(0.02)
    assert processes_of(instance) == []
    assert namespaces_of(instance) == []
    assert not directory(instance).exists()


def test_an_orderly_end_leaves_nothing(instance: str) -> None:
    running = detached(UpSettings(instance=instance, nodes=1, port=0))
    assert processes_of(instance)
    assert namespaces_of(instance)
    os.kill(running.pid, signal.SIGTERM)
    limit = time.monotonic() + 20
    while read_running(instance) is not None:
        assert time.monotonic() < limit, "the supervisor does not end"
        time.sleep(0.05)
    assert_nothing_is_left(instance)


def test_a_second_system_of_the_same_name_is_refused(instance: str) -> None:
    running = detached(UpSettings(instance=instance, nodes=1, port=0, load_balancer="none"))
    with pytest.raises(HostError, match="runs already"):
        detached(UpSettings(instance=instance, nodes=1, port=0, load_balancer="none"))
    assert read_running(instance) == running


def test_without_a_load_balancer_the_address_stays_pending_and_an_event_says_why(instance: str) -> None:
    running = detached(UpSettings(instance=instance, nodes=1, port=0, load_balancer="none"))

    async def story() -> None:
        async with HttpClient(load(running.kubeconfig)) as client:
            spec = ServiceSpec(type="LoadBalancer", selector={"app": "web"}, ports=(ServicePort(port=80),))
            await client.create(
                Service(api_version="v1", kind="Service", metadata=ObjectMeta(name="web", namespace="default"), spec=spec)
            )
            limit = time.monotonic() + 10
            while not (events := await _events_about(client, "web")):
                assert time.monotonic() < limit, "no event says why"
                await asyncio.sleep(0.05)
            assert [each.reason for each in events] == ["NoLoadBalancer"]
            assert "load balancer" in events[0].message
            assert (await client.get(Service, Key("default", "web"))).status.load_balancer.ingress == ()

    asyncio.run(story())
    process = os.popen(
        f"{find_kubectl()} --kubeconfig {running.kubeconfig} --cache-dir {directory(instance)}/cache get service web"
    )
    assert "<pending>" in process.read()
    assert process.close() is None


async def _events_about(client: HttpClient, name: str) -> list[Event]:
    events, _ = await client.list(Event, "default")
    return [each for each in events if each.involved_object.name == name]


@pytest.mark.parametrize("role", ["supervisor", "server", "controller", "node-1", "edge"])
def test_kill_9_of_any_process_and_the_next_up_starts_clean(instance: str, role: str) -> None:
    running = detached(UpSettings(instance=instance, nodes=1, port=0))
    os.kill(running.pid if role == "supervisor" else _pid_of(instance, role), signal.SIGKILL)
    if role == "supervisor":
        limit = time.monotonic() + 5
        while processes_of(instance):
            assert time.monotonic() < limit, "children outlive their supervisor"
            time.sleep(0.02)
    else:
        end(instance)
        assert_nothing_is_left(instance)
    again = detached(UpSettings(instance=instance, nodes=1, port=0))
    assert again.pid != running.pid
    end(instance)
    assert_nothing_is_left(instance)


def _pid_of(instance: str, role: str) -> int:
    machine = {"controller": "server"}.get(role, role)
    word = {"node-1": "node"}.get(role, role)
    namespace = Path(f"/run/netns/{LabPlan(instance, 1).machine(machine).namespace}").stat().st_ino
    for pid in processes_of(instance):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if Path(f"/proc/{pid}/ns/net").stat().st_ino == namespace and word.encode() in words:
            return pid
    raise AssertionError(f"no process of {role}")


def test_a_role_that_dies_is_started_again_and_forwarding_goes_on(instance: str) -> None:
    running = detached(UpSettings(instance=instance, nodes=1, port=0))
    for role in ("server", "controller", "node-1"):
        before = _pid_of(instance, role)
        os.kill(before, signal.SIGKILL)
        limit = time.monotonic() + 15
        while True:
            try:
                if _pid_of(instance, role) != before:
                    break
            except (AssertionError, FileNotFoundError):
                pass
            assert time.monotonic() < limit, f"{role} is not started again"
            time.sleep(0.05)

    async def answers() -> None:
        limit = time.monotonic() + 15
        async with HttpClient(load(running.kubeconfig)) as client:
            while True:
                try:
                    await client.get(Service, Key("default", "kubernetes"))
                    return
                except HostError:
                    assert time.monotonic() < limit
                    await asyncio.sleep(0.1)

    asyncio.run(answers())


def test_the_edge_may_announce_before_there_is_a_service(instance: str) -> None:
    """Nothing happens in the cluster that would remind it."""
    running = detached(UpSettings(instance=instance, nodes=1, port=0))

    async def votes() -> None:
        async with HttpClient(load(running.kubeconfig)) as client, asyncio.timeout(6):
            while view_of((await _leases(client)).get(EDGES.view)).members != ("edge",):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    asyncio.run(votes())


async def _leases(client: HttpClient) -> dict[Key, Lease]:
    return {each.key: each for each in (await client.list(Lease))[0]}


def test_sweep_of_a_name_that_never_ran_finds_nothing() -> None:
    assert not sweep(unique_instance("never"))
