"""The server is killed at random moments, under load and while it starts, and its clients go on with the next one.

MOORAGE_LOSS_ROUNDS sets how often (20), MOORAGE_LOSS_SEED what is drawn.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.cluster import Namespace
from moorage.model.meta import ObjectMeta
from moorage.model.service import Service
from moorage.registry.service_allocation import CLUSTER_IPS, NODE_PORTS
from moorage.run.server_process import ServerProcess
from moorage.store.disk_io import open_store
from tests.loss.load import NAMESPACE, WRITERS, Follower, Writer, node_ports

ROUNDS = int(os.environ.get("MOORAGE_LOSS_ROUNDS", "20"))
SEED = int(os.environ.get("MOORAGE_LOSS_SEED", "1"))

LOAD_SECONDS = 0.5
"""The longest that a server lives under load."""
CAUGHT_UP_SECONDS = 20.0


@pytest.mark.timeout(60 + 10 * ROUNDS)
def test_kill_at_random_moments(tmp_path: Path) -> None:
    rolls = random.Random(SEED)
    server = ServerProcess(tmp_path)
    writers = [Writer(number, SEED) for number in range(WRITERS)]
    server.start()
    follower = asyncio.run(_begin(server))
    newest = 0
    try:
        for _ in range(ROUNDS):
            newest = asyncio.run(_life(server, writers, follower, newest, rolls.uniform(0, LOAD_SECONDS)))
            _nothing_is_leaked(server.database, tmp_path / "copy")
            if rolls.random() < 0.2:
                server.spawn()
                with pytest.raises(Exception, match="still runs"):
                    server.wait(rolls.uniform(0.2, 1.2))
                server.kill()
            server.start()
        asyncio.run(_life(server, writers, follower, newest, 0.0))
    finally:
        server.kill()
    assert sum(each.acknowledged for each in writers) > ROUNDS


async def _begin(server: ServerProcess) -> Follower:
    async with HttpClient(load(server.kubeconfig)) as client:
        await client.create(Namespace(api_version="v1", kind="Namespace", metadata=ObjectMeta(name=NAMESPACE)))
        _, revision = await client.list(Service, NAMESPACE)
        return Follower(revision)


async def _life(server: ServerProcess, writers: Sequence[Writer], follower: Follower, newest: int, seconds: float) -> int:
    """A server that has just started is judged, then loaded, then killed; gives the newest revision anybody saw."""
    async with HttpClient(load(server.kubeconfig)) as client:
        following = asyncio.create_task(follower.follow(client))
        items, revision = await client.list(Service, NAMESPACE)
        listed = {each.metadata.name: each for each in items}
        assert int(revision) >= newest, "the server went back"
        for each in writers:
            each.settle(listed)
        _nothing_is_held_twice(items)
        await _caught_up(follower, following, listed)
        assert follower.revisions == sorted(set(follower.revisions)), "a watch is told everything once and in order"
        acknowledged = set().union(*(each.revisions for each in writers))
        assert acknowledged <= set(follower.revisions), "what was acknowledged was not told to the watch"
        writing = [asyncio.create_task(each.write(client)) for each in writers]
        await asyncio.wait(writing, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        server.kill()
        await asyncio.gather(*writing, following)
    return max([int(revision), *follower.revisions, *(max(each.revisions, default=0) for each in writers)])


async def _caught_up(follower: Follower, following: asyncio.Task[None], listed: dict[str, Service]) -> None:
    try:
        async with asyncio.timeout(CAUGHT_UP_SECONDS):
            while follower.copy != listed and not following.done():  # noqa: ASYNC110  another task changes it
                await asyncio.sleep(0.01)
    except TimeoutError:
        pass
    assert follower.copy == listed, "a resumed watch missed something"


def _nothing_is_held_twice(services: Sequence[Service]) -> None:
    addresses = [each.spec.cluster_ip for each in services]
    ports = [port for each in services for port in node_ports(each)]
    assert len(set(addresses)) == len(addresses)
    assert len(set(ports)) == len(ports)


def _nothing_is_leaked(database: Path, copy: Path) -> None:
    """What a killed server left on disk: each address and port is held by a Service that is there, and none is not held."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for each in database.parent.glob(f"{database.name}*"):
        shutil.copy(each, copy)
    asyncio.run(_judge(copy / database.name))


async def _judge(path: Path) -> None:
    store = await open_store(path)
    try:
        services = [msgspec.json.decode(each.body, type=Service) for each in store.list("services")[0]]
        held = await store.transact(lambda view: (set(view.held(CLUSTER_IPS)), set(view.held(NODE_PORTS))))
    finally:
        await store.close()
    addresses = {address for each in services for address in each.spec.cluster_ips}
    ports = {str(port) for each in services for port in node_ports(each)}
    assert held == (addresses, ports)
