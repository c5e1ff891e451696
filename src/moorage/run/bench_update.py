"""`moorage bench update`: from the API's answer to the first good packet, on every node of a lab.

    patch or create a Service -> the API answers (t0) -> datagrams from a Pod on each node until one is answered

The time of a node is the moment at which the first datagram that was answered had been sent, after t0. A round counts the
slowest node. Each datagram leaves from a new socket, so that no connection tracking of an earlier one decides its way.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from moorage.lab.netns_io import socket_in
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec
from moorage.model.ports import Client
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.run.traffic import NAMESPACE, Traffic

FIRST_PORT = 7000
ROUND_LIMIT = 5.0
"""Seconds after which a round counts as failed."""
PACE = 0.0002
"""Seconds between two datagrams of one node."""


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds over all rounds of one kind of change."""

    rounds: int
    p50: float
    p90: float
    p99: float
    max: float


def spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(1e3 * each for each in seconds)

    def at(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 2)

    return Spread(len(ordered), at(0.5), at(0.9), at(0.99), at(1.0))


async def bench_update(traffic: Traffic, rounds: int, step: Callable[[str], None]) -> Mapping[str, Spread]:
    """`changed`: a Service's port is patched, which the node agents alone have to follow. `created`: a Service with a selector
    appears, so that its EndpointSlice must be made first.
    """
    step("starting a client and an echo Pod on each node")
    await _make_pods(traffic)
    entries = await _client_namespaces(traffic)
    step(f"changing a Service {rounds} times")
    changed = await _changed(traffic.client, entries, rounds)
    step(f"creating {rounds} Services")
    created = await _created(traffic.client, entries, rounds)
    return {"changed": spread(changed), "created": spread(created)}


async def _make_pods(traffic: Traffic) -> None:
    for node in traffic.nodes():
        for app, container in (
            ("bench-echo", Container(name="echo", image="moorage/echo")),
            ("bench-client", Container(name="client", image="moorage/host", command=("sleep", "infinity"))),
        ):
            meta = ObjectMeta(name=f"{app}-{node}", namespace=NAMESPACE, labels={"app": app})
            spec = PodSpec(containers=(container,), node_name=node)
            await traffic.client.create(Pod(api_version="v1", kind="Pod", metadata=meta, spec=spec))
    await traffic.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")


async def _client_namespaces(traffic: Traffic) -> list[str]:
    """The network namespace of the client Pod of each node."""
    return [traffic.pod_namespace(pod) for pod in await traffic.pods("bench-client")]


def _service(name: str, port: int) -> Service:
    spec = ServiceSpec(selector={"app": "bench-echo"}, ports=(ServicePort(protocol="UDP", port=port, target_port=8080),))
    return Service(api_version="v1", kind="Service", metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec)


async def _changed(client: Client, entries: Sequence[str], rounds: int) -> list[float]:
    made = await client.create(_service("bench-changed", FIRST_PORT))
    first_good_packet(entries, made.spec.cluster_ip, FIRST_PORT)
    seconds = []
    for port in range(FIRST_PORT + 1, FIRST_PORT + 1 + rounds):
        ports = [{"protocol": "UDP", "port": port, "targetPort": 8080}]
        await client.merge_patch(Service, Key(NAMESPACE, "bench-changed"), {"spec": {"ports": ports}})
        seconds.append(first_good_packet(entries, made.spec.cluster_ip, port))
    return seconds


async def _created(client: Client, entries: Sequence[str], rounds: int) -> list[float]:
    seconds = []
    for number in range(rounds):
        made = await client.create(_service(f"bench-created-{number}", FIRST_PORT))
        seconds.append(first_good_packet(entries, made.spec.cluster_ip, FIRST_PORT))
        await client.delete(Service, made.key)
    return seconds


def first_good_packet(namespaces: Sequence[str], address: str, port: int) -> float:
    """Seconds from the call until the address has been reached from each namespace. Raises HostError after 5 s."""
    start = time.monotonic()
    waiting = dict.fromkeys(namespaces)
    sent: dict[socket.socket, tuple[str, float]] = {}
    slowest = 0.0
    try:
        while waiting:
            for namespace in waiting:
                asking = socket_in(namespace, type_=socket.SOCK_DGRAM)
                asking.connect((address, port))
                sent[asking] = (namespace, time.monotonic() - start)
                asking.send(b"hello\n")
            for answered in select.select(list(sent), [], [], PACE)[0]:
                namespace, at = sent[answered]
                if _is_answer(answered) and namespace in waiting:
                    del waiting[namespace]
                    slowest = max(slowest, at)
            _drop_old(sent)
            if time.monotonic() - start > ROUND_LIMIT:
                raise HostError(f"{address}:{port}/udp was not reached within {ROUND_LIMIT:.0f} s from {', '.join(waiting)}")
    finally:
        for each in sent:
            each.close()
    return slowest


def _is_answer(asking: socket.socket) -> bool:
    """Whether an answer came, or a refusal: the Service's rules are not there yet."""
    try:
        return bool(asking.recv(2048))
    except OSError:
        return False


def _drop_old(sent: dict[socket.socket, tuple[str, float]], keep: int = 200) -> None:
    """An answer takes less than the time of 200 later questions."""
    for each in list(sent)[:-keep]:
        each.close()
        del sent[each]
