"""Says in a Lease which version of the EndpointSlices the kernel holds: see `model.withdrawal`.

acknowledger.see(snapshot, changes)      what was heard
acknowledger.hold(snapshot)              its table is in the kernel, and no tracked flow contradicts it
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from moorage.model.clock import micro_timestamp
from moorage.model.cluster import Lease, LeaseSpec, Node
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.ports import Client
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.withdrawal import APPLIED_ANNOTATION, EDGE, EDGE_LEASE_SECONDS, applied_lease_key, version_number
from moorage.run.acknowledge import Pace
from moorage.table.departures import Departures

LIMIT = 5.0
"""Seconds for one write."""
FAREWELL = 1.0
"""Seconds for the last one: an agent that ends does not wait for an API server that is away."""
NOT_FOUND = 404

log = structlog.get_logger()


class Acknowledger:
    """`role` is one of `model.withdrawal`; `node` gives the agent's own Node, which its Lease goes with."""

    def __init__(self, client: Client, role: str, name: str, node: Callable[[], Node | None] = lambda: None) -> None:
        self._client = client
        self._name = name
        self._key: Key = applied_lease_key(role, name)
        self._node = node
        self._departures = Departures()
        self._pace = Pace(renews=role == EDGE)
        self._news = asyncio.Event()
        self._trouble = ""

    def see(self, snapshot: Snapshot, changes: Changes) -> None:
        """To be called with every change, off the path of forwarding."""
        if self._departures.see(snapshot, changes):
            self._pace = replace(self._pace, awaited=_version(snapshot))

    def hold(self, snapshot: Snapshot) -> None:
        version = _version(snapshot)
        if version > self._pace.held:
            self._pace = replace(self._pace, held=version)
            self._news.set()

    async def run(self) -> None:
        """Until cancelled. The Lease is there before the first table is, so that nobody forwards unseen."""
        while True:
            now = time.monotonic()
            due = self._pace.due(now)
            if due is not None and due <= now:
                version = self._pace.held
                done = await self._write(version)
                now = time.monotonic()
                self._pace = self._pace.wrote(version, now) if done else self._pace.failed(now)
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(None if due is None else due - now):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def resign(self) -> None:
        """Takes the Lease away: this agent forwards nothing any more."""
        try:
            async with asyncio.timeout(FAREWELL):
                await self._client.delete(Lease, self._key)
        except (ApiError, HostError, TimeoutError) as error:
            log.info("the Lease of what was applied stays until it expires", error=str(error))

    async def _write(self, version: int) -> bool:
        try:
            async with asyncio.timeout(LIMIT):
                await self._patch_or_create(version)
        except (ApiError, HostError, TimeoutError) as error:
            trouble = str(error) or f"no answer within {LIMIT} s"
            if trouble != self._trouble:
                log.warning("what the kernel holds could not be said: Pods that wait for it wait longer", error=trouble)
            self._trouble = trouble
            return False
        self._trouble = ""
        return True

    async def _patch_or_create(self, version: int) -> None:
        annotations = {APPLIED_ANNOTATION: str(version)}
        renewed = micro_timestamp(time.time())
        try:
            await self._client.merge_patch(
                Lease, self._key, {"metadata": {"annotations": annotations}, "spec": {"renewTime": renewed}}
            )
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
            spec = LeaseSpec(holder_identity=self._name, lease_duration_seconds=EDGE_LEASE_SECONDS, renew_time=renewed)
            meta = ObjectMeta(
                name=self._key.name, namespace=self._key.namespace, annotations=annotations, owner_references=self._owners()
            )
            await self._client.create(Lease(api_version="coordination.k8s.io/v1", kind="Lease", metadata=meta, spec=spec))

    def _owners(self) -> tuple[OwnerReference, ...]:
        """A Node takes its Lease with it when it goes."""
        node = self._node()
        if node is None:
            return ()
        return (OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid),)


def _version(snapshot: Snapshot) -> int:
    return version_number(snapshot.versions.get(EndpointSlice, ""))
