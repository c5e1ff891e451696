"""`moorage bench bytes`: what one node agent costs the API server, and one leader, in bytes.

server with Services, slices and Nodes -> the agent's own mirror of one kind -> bytes of its list and of a change
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from pathlib import Path

import msgspec
from msgspec.structs import replace

from moorage.announce.roll import own_lease
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import load
from moorage.client.mirror_io import Mirror, Want
from moorage.client.routes import object_path
from moorage.control.election import Terms
from moorage.manifest.convert import load as load_object
from moorage.model.announcing import NODES
from moorage.model.clock import micro_timestamp, timestamp
from moorage.model.cluster import Lease, LeaseSpec, Namespace, Node, NodeAddress, NodeSpec, NodeStatus
from moorage.model.errors import HostError
from moorage.model.kinds import BY_TYPE, ENDPOINT_SLICES, SERVICES
from moorage.model.meta import Condition, Key, Object, ObjectMeta
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.announcements import WANTS
from moorage.run.bench_bytes_io import Carried, Meter
from moorage.run.bench_bytes_sizes import protobuf_size
from moorage.run.bench_objects import ENDPOINTS, NAMESPACE, service, slice_of
from moorage.run.bench_wire import Caller, Endpoint
from moorage.run.node import wants
from moorage.run.server_process import ServerProcess
from moorage.settings.roles import NodeSettings

CHANGES = 20
QUIET_SECONDS = 0.4
IMAGES = 50
"""A kubelet names so many in its Node's status (`--node-status-max-images`)."""

CHANGED: dict[type[Object], Key] = {
    Service: Key(NAMESPACE, "web-0"),
    EndpointSlice: Key(NAMESPACE, "web-0-abcde"),
    Node: Key("", "node-0"),
    Lease: NODES.lease("node-0"),
}
"""The objects that are changed again and again."""


class KindCost(msgspec.Struct, frozen=True):
    """Bytes that the server sends: of a list, per object; of one change to one watch. `protobuf_change` is what the same change
    takes in the encoding of Go clients, computed.
    """

    kind: str
    objects: int
    list_bytes: int
    list_bytes_each: int
    change_bytes: int
    protobuf_change: int


class Report(msgspec.Struct, frozen=True):
    """`renewal` is one write of a leader's Lease; `watches` is how many an agent keeps, `announcing` how many of them to
    follow what it announces.
    """

    kinds: tuple[KindCost, ...]
    renewal: Carried
    renewals_per_second: float
    watches: int
    announcing: int
    endpoints: int


async def bench_bytes(services: int, nodes: int, step: Callable[[str], None]) -> Report:
    """Raises HostError where the server cannot be started or refuses a request."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as directory:
        step("starting an API server")
        with ServerProcess(Path(directory)) as server:
            access = load(server.kubeconfig)
            async with HttpClient(access, user_agent="moorage-bench") as writer:
                step(f"writing {services} Services with a slice of {ENDPOINTS} endpoints each, and {nodes} Nodes")
                await _fill(writer, services, nodes)
                followed = (*wants(NodeSettings(name="node-0")), *WANTS)
                by_type = {each.type: each for each in followed}
                kinds = []
                for type_, change in ((Service, _relabel), (EndpointSlice, _turn), (Node, _beat), (Lease, _live)):
                    step(f"following {BY_TYPE[type_].plural}")
                    kinds.append(await _follow(access, by_type[type_], writer, change))
                renewal = await _renew(access, writer)
    return Report(tuple(kinds), renewal, 1 / Terms().retry_period, len(followed), len(WANTS), ENDPOINTS)


async def _fill(client: HttpClient, services: int, nodes: int) -> None:
    await client.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
    for number in range(services):
        await client.create(load_object(SERVICES, service(f"web-{number}").body))
        await client.create(load_object(ENDPOINT_SLICES, slice_of(number).body))
    for number in range(nodes):
        await client.create(_node(number))
        await client.merge_patch(Node, Key("", f"node-{number}"), {"status": msgspec.to_builtins(_status(number))}, "status")
        await client.create(_announcing(f"node-{number}", 1.8e9))


def _node(number: int) -> Node:
    labels = {"kubernetes.io/hostname": f"node-{number}", "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "zone-1"}
    cidr = f"10.{number // 256}.{number % 256}.0/24"
    return Node(metadata=ObjectMeta(name=f"node-{number}", labels=labels), spec=NodeSpec(pod_cidr=cidr, pod_cidrs=(cidr,)))


def _status(number: int) -> NodeStatus:
    """As large as a kubelet's."""
    words = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    conditions = tuple(
        Condition(
            type=each,
            status="False",
            reason=f"KubeletHas{each}",
            message=f"kubelet has sufficient {each}",
            last_heartbeat_time="2026-01-01T00:00:00Z",
            last_transition_time="2026-01-01T00:00:00Z",
        )
        for each in words
    )
    images = tuple(
        {
            "names": [
                f"registry.example.com/team/image-{each}@sha256:{each:064x}",
                f"registry.example.com/team/image-{each}:v1",
            ],
            "sizeBytes": 10**8,
        }
        for each in range(IMAGES)
    )
    return NodeStatus(
        addresses=(NodeAddress("InternalIP", f"192.0.2.{number % 250}"), NodeAddress("Hostname", f"node-{number}")),
        conditions=conditions,
        images=images,
        capacity={"cpu": "8", "memory": "32Gi", "pods": "110"},
        allocatable={"cpu": "8", "memory": "31Gi", "pods": "110"},
    )


async def _follow(
    access: Access, want: Want, writer: HttpClient, change: Callable[[HttpClient, int], Awaitable[object]]
) -> KindCost:
    """The mirror that an agent has, of one kind: its list, then changes one after the other."""
    meter = Meter()
    try:
        async with HttpClient(access, meter.socket, "moorage-node") as client:
            mirror = Mirror(client, (want,))
            running = asyncio.create_task(mirror.run())
            snapshot, _ = await mirror.next()
            listed = await meter.quiet(QUIET_SECONDS)
            for number in range(CHANGES):
                await change(writer, number)
            told = (await meter.quiet(QUIET_SECONDS)).since(listed)
            running.cancel()
            await asyncio.wait([running])
    finally:
        meter.close()
    objects = len(snapshot.all(want.type))
    body = await _raw(access, object_path(BY_TYPE[want.type], CHANGED[want.type]))
    return KindCost(
        kind=BY_TYPE[want.type].plural,
        objects=objects,
        list_bytes=listed.received,
        list_bytes_each=listed.received // max(1, objects),
        change_bytes=told.received // CHANGES,
        protobuf_change=protobuf_size(body),
    )


async def _raw(access: Access, path: str) -> bytes:
    """The JSON of an object as the server has it, owners of fields and all."""
    endpoint = Endpoint.of(access)
    caller = await endpoint.connect(Caller)
    status, body = await caller.call(f"{endpoint.head('GET', path)}\r\n".encode())
    caller.close()
    if status != 200:
        raise HostError(f"GET {path} was answered with {status}")
    return body


async def _relabel(client: HttpClient, number: int) -> object:
    return await client.merge_patch(Service, CHANGED[Service], {"metadata": {"labels": {"turn": str(number)}}})


async def _turn(client: HttpClient, number: int) -> object:
    """One endpoint becomes ready, or is no longer: the whole slice is written and told."""
    slice_ = await client.get(EndpointSlice, CHANGED[EndpointSlice])
    first = slice_.endpoints[0]
    ready = bool(number % 2)
    changed = replace(first, conditions=replace(first.conditions, ready=ready, serving=ready))
    return await client.update(replace(slice_, endpoints=(changed, *slice_.endpoints[1:])))


async def _beat(client: HttpClient, number: int) -> object:
    """A kubelet says that it is still there."""
    node = await client.get(Node, CHANGED[Node])
    conditions = _with_time(node.status.conditions, timestamp(1.8e9 + 300 * number))
    return await client.update(replace(node, status=replace(node.status, conditions=conditions)), "status")


def _with_time(conditions: Iterable[Condition], at: str) -> tuple[Condition, ...]:
    return tuple(replace(each, last_heartbeat_time=at) for each in conditions)


async def _live(client: HttpClient, number: int) -> object:
    """A node that announces says that it is still there."""
    known = await client.get(Lease, CHANGED[Lease])
    return await client.update(_announcing("node-0", 1.8e9 + number, known))


def _announcing(name: str, now: float, known: Lease | None = None) -> Lease:
    return own_lease(NODES, name, (ip_address("192.0.2.1"),), now, known)


async def _renew(access: Access, writer: HttpClient) -> Carried:
    """One write of the Lease of a leader, over a connection that stands."""
    spec = LeaseSpec(holder_identity=f"moorage-controller-0_{'0' * 36}", lease_duration_seconds=15, lease_transitions=1)
    lease = await writer.create(Lease(metadata=ObjectMeta(name="moorage-controller", namespace=NAMESPACE), spec=spec))
    meter = Meter()
    try:
        async with HttpClient(access, meter.socket, "moorage-controller") as client:
            lease = await client.update(lease)
            before = await meter.quiet(QUIET_SECONDS)
            for number in range(CHANGES):
                lease = await client.update(
                    replace(lease, spec=replace(lease.spec, renew_time=micro_timestamp(1.8e9 + number)))
                )
            carried = (await meter.quiet(QUIET_SECONDS)).since(before)
    finally:
        meter.close()
    return Carried(carried.sent // CHANGES, carried.received // CHANGES)
