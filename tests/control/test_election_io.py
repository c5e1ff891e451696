"""The driver with the client in memory, and terms of a tenth of a second. Nothing waits longer than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from moorage.client.fake import FakeClient
from moorage.control.election import Candidate, Terms
from moorage.control.election_io import Leadership
from moorage.model.cluster import Event, Lease, Namespace
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.ports import Client

BOUND = 20.0
KEY = Key("moorage-system", "moorage-controller")
TERMS = Terms(lease_duration=1, renew_deadline=0.5, retry_period=0.05)


class Worker:
    """Works until it is cancelled, and notes it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.client: Client | None = None

    async def __call__(self, client: Client) -> None:
        self.client = client
        self.ended.clear()
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.begun.clear()
            self.ended.set()


async def with_namespace() -> FakeClient:
    client = FakeClient()
    await client.create(Namespace(metadata=ObjectMeta(name="moorage-system")))
    return client


def leadership(client: Client, identity: str) -> Leadership:
    return Leadership(client, Candidate(identity, KEY, TERMS))


def played(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND):
            await story()

    asyncio.run(run())


async def ended(*tasks: asyncio.Task[None]) -> None:
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_one_works_and_gives_the_lease_up_when_it_ends() -> None:
    async def story() -> None:
        client = await with_namespace()
        workers = [Worker(), Worker()]
        roles = [leadership(client, f"c{number}") for number in range(2)]
        first = asyncio.create_task(roles[0].run(workers[0]))
        await workers[0].begun.wait()
        second = asyncio.create_task(roles[1].run(workers[1]))
        await asyncio.sleep(3 * TERMS.retry_period)
        assert (roles[0].leads, roles[1].leads, workers[1].begun.is_set()) == (True, False, False)
        assert roles[1].candidate.holder == "c0"
        assert workers[0].client is not None
        await workers[0].client.create(Namespace(metadata=ObjectMeta(name="made")))
        await ended(first)
        assert workers[0].ended.is_set()
        with pytest.raises(HostError, match="does not lead"):
            await workers[0].client.delete(Namespace, Key("", "made"))
        await workers[1].begun.wait()
        lease = await client.get(Lease, KEY)
        assert (lease.spec.holder_identity, lease.spec.lease_transitions) == ("c1", 1)
        assert "c0 became leader" in [each.message for each in (await client.list(Event))[0]]
        await ended(second)
        assert (await client.get(Lease, KEY)).spec.holder_identity == ""

    played(story)


class Severed(FakeClient):
    """A server that can be out of reach."""

    away = False

    async def get(self, type_, key):  # type: ignore[no-untyped-def]
        self._reach()
        return await super().get(type_, key)

    async def update(self, obj, subresource=""):  # type: ignore[no-untyped-def]
        self._reach()
        return await super().update(obj, subresource)

    def _reach(self) -> None:
        if self.away:
            raise HostError("connection refused")


def test_who_cannot_renew_stops_and_works_again_later() -> None:
    async def story() -> None:
        client = Severed()
        await client.create(Namespace(metadata=ObjectMeta(name="moorage-system")))
        worker = Worker()
        role = leadership(client, "c0")
        running = asyncio.create_task(role.run(worker))
        await worker.begun.wait()
        client.away = True
        await worker.ended.wait()
        assert not role.leads
        assert not running.done()
        client.away = False
        await worker.begun.wait()
        assert role.leads
        assert (await client.get(Lease, KEY)).spec.lease_transitions == 0
        await ended(running)

    played(story)


def test_a_leader_that_dies_without_a_word_is_replaced_after_the_leases_duration() -> None:
    async def story() -> None:
        client = await with_namespace()
        left = Candidate("dead", KEY, TERMS)
        put = left.on_lease(None, 0.0, 0.0, 0.0)
        await client.create(put.lease)  # type: ignore[union-attr]
        worker = Worker()
        running = asyncio.create_task(leadership(client, "c1").run(worker))
        await asyncio.sleep(0.3)
        assert not worker.begun.is_set()
        await worker.begun.wait()
        await ended(running)

    played(story)


def test_work_that_fails_ends_the_process_and_the_lease_is_free() -> None:
    async def story() -> None:
        client = await with_namespace()

        async def work(_: Client) -> None:
            raise HostError("broken")

        with pytest.raises(HostError, match="broken"):
            await leadership(client, "c0").run(work)
        assert (await client.get(Lease, KEY)).spec.holder_identity == ""

    played(story)
