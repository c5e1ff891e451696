"""`moorage bench api`: what the API server carries, in a process of its own on loopback, behind TLS, durable.

objects  -> 32 connections, one create under way on each -> objects/s, p50, p99, memory
watches  -> each is told of every Service that is created then -> in order, and how late
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.routes import collection_path
from moorage.model.cluster import Namespace
from moorage.model.errors import HostError
from moorage.model.kinds import SERVICES
from moorage.model.meta import ObjectMeta
from moorage.model.service import Service
from moorage.run.bench_objects import ENDPOINTS, NAMESPACE, pairs, service
from moorage.run.bench_spread import percentile
from moorage.run.bench_wire import Endpoint, Watcher, create_all, open_watches
from moorage.run.server_process import ServerProcess

CONNECTIONS = 32
MB = 1_000_000
WATCH_LIMIT_SECONDS = 120.0
"""Within which all watches must have been told everything."""


class Goals(msgspec.Struct, frozen=True):
    """Twice what kube-apiserver 1.36 with etcd reaches on two cores (576 objects/s), and a quarter of its memory."""

    objects_per_second: float = 1152.0
    resident_mb: float = 200.0
    client_ms: float = 1.0


class Writes(msgspec.Struct, frozen=True):
    """Creates of `objects`, half Services and half slices. `client_ms` is the processor time the client took for one."""

    objects: int
    connections: int
    endpoints_per_slice: int
    body_kib: float
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    client_ms: float
    server_ms: float
    resident_mb: float
    resident_before_mb: float


class Watches(msgspec.Struct, frozen=True):
    """`complete` watches were told of all `events` once and in order. Lag counts from sending a create to each watch's line."""

    watches: int
    events: int
    complete: int
    deliveries_per_second: float
    lag_p50_ms: float
    lag_p99_ms: float
    resident_mb: float


class Report(msgspec.Struct, frozen=True):
    writes: Writes
    watches: Watches
    goals: Goals

    @property
    def met(self) -> bool:
        written, watched = self.writes, self.watches
        return (
            written.per_second >= self.goals.objects_per_second
            and written.resident_mb < self.goals.resident_mb
            and written.client_ms < self.goals.client_ms
            and watched.complete == watched.watches
        )


async def bench_api(objects: int, watches: int, events: int, step: Callable[[str], None]) -> Report:
    """Raises HostError where the server cannot be started or refuses a request."""
    _allow_connections(watches + 2 * CONNECTIONS)
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as directory:
        step("starting an API server")
        with ServerProcess(Path(directory)) as server:
            access = load(server.kubeconfig)
            async with HttpClient(access, user_agent="moorage-bench") as client:
                await client.create(Namespace(api_version="v1", kind="Namespace", metadata=ObjectMeta(name=NAMESPACE)))
                step(f"creating {objects} objects over {CONNECTIONS} connections")
                written = await _writes(server, Endpoint.of(access), objects)
                _, revision = await client.list(Service, NAMESPACE, labels="none=none")
                step(f"telling {watches} watches of {events} Services")
                watched = await _watches(server, Endpoint.of(access), (watches, events), revision)
    return Report(written, watched, Goals())


async def _writes(server: ServerProcess, endpoint: Endpoint, objects: int) -> Writes:
    requests = [endpoint.post(each) for each in pairs(objects)]
    before, server_cpu = server.resident_bytes(), server.cpu_seconds()
    since, cpu = time.perf_counter(), time.process_time()
    loaded = await create_all(endpoint, requests, CONNECTIONS)
    seconds, cpu = time.perf_counter() - since, time.process_time() - cpu
    server_cpu = server.cpu_seconds() - server_cpu
    return Writes(
        objects=objects,
        connections=CONNECTIONS,
        endpoints_per_slice=ENDPOINTS,
        body_kib=round(sum(map(len, requests)) / objects / 1024, 1),
        seconds=round(seconds, 2),
        per_second=round(objects / seconds, 1),
        p50_ms=percentile(loaded.seconds, 0.5),
        p99_ms=percentile(loaded.seconds, 0.99),
        client_ms=round(1e3 * cpu / objects, 3),
        server_ms=round(1e3 * server_cpu / objects, 3),
        resident_mb=round(server.resident_bytes() / MB, 1),
        resident_before_mb=round(before / MB, 1),
    )


async def _watches(server: ServerProcess, endpoint: Endpoint, sizes: tuple[int, int], revision: str) -> Watches:
    """Creates one Service after the other while `sizes[0]` watches look on."""
    count, events = sizes
    path = f"{collection_path(SERVICES, NAMESPACE)}?watch=true&resourceVersion={revision}&timeoutSeconds=600"
    watchers = await open_watches(endpoint, path, count)
    sent: list[tuple[int, float]] = []
    since = time.perf_counter()
    try:
        for number in range(events):
            sent.append(await _one_service(endpoint, f"watched-{number}"))
        await _all_told(watchers, events)
        seconds = time.perf_counter() - since
        resident = server.resident_bytes()
    finally:
        for each in watchers:
            each.close()
    revisions = [each for each, _ in sent]
    lags = [told - at for each in watchers for told, (_, at) in zip(each.at, sent, strict=False)]
    return Watches(
        watches=count,
        events=events,
        complete=sum(each.revisions == revisions for each in watchers),
        deliveries_per_second=round(len(lags) / seconds),
        lag_p50_ms=percentile(lags, 0.5),
        lag_p99_ms=percentile(lags, 0.99),
        resident_mb=round(resident / MB, 1),
    )


async def _one_service(endpoint: Endpoint, name: str) -> tuple[int, float]:
    """Its revision, and when it was sent."""
    at = time.perf_counter()
    loaded = await create_all(endpoint, [endpoint.post(service(name))], 1)
    return loaded.revision, at


async def _all_told(watchers: list[Watcher], events: int) -> None:
    try:
        async with asyncio.timeout(WATCH_LIMIT_SECONDS):
            while any(len(each.revisions) < events and not each.lost for each in watchers):  # noqa: ASYNC110  polled: cheap
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise HostError(f"watches were not told everything within {WATCH_LIMIT_SECONDS:.0f} s") from error


def _allow_connections(count: int) -> None:
    """Each connection is a file descriptor, here and in the server that is started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise HostError(f"{count} connections need {wanted} file descriptors, {hard} are allowed: raise `ulimit -n`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
