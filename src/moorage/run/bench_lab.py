"""Names, addresses and objects of the small lab for benchmarks of the node agent (`bench_lab_io.py`). The only place with them.

    outside 198.18.0.100 ---- 198.18.0.11 node 169.254.1.1 ---- 169.254.1.2 backends   10.244.0.0/17, all answered
                                               169.254.2.1 ---- 169.254.2.2 inside     10.244.128.2, as a Pod has it

The cluster prefix 10.128.0.0/9 holds all of them, and the addresses that nobody has of the Services that only fill the maps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address, IPv4Network

import msgspec

from moorage.client.routes import collection_path
from moorage.lab.plan import LAN, check_instance
from moorage.manifest.convert import encode
from moorage.model.cluster import Node, NodeAddress, NodeSpec, NodeStatus
from moorage.model.kinds import ENDPOINT_SLICES, SERVICES
from moorage.model.meta import Key, Object, ObjectMeta, ObjectReference
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.model.slices import (
    MANAGED_BY_LABEL,
    MAX_ENDPOINTS_PER_SLICE,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from moorage.run.bench_objects import NAMESPACE, Written

JUDGED = (5000, 50)
"""Services, and endpoints of each: the size that goals are for."""

NODE = "node-1"
"""The Node object whose agent is measured."""

OTHERS = 9
"""Nodes that are only spoken of, `node-2` and so on."""

NODE_ADDRESS = LAN[11]
OUTSIDE_ADDRESS = LAN[100]
LOAD_BALANCER_ADDRESS = IPv4Address("198.19.100.1")
"""On no link: everybody routes it to the node."""

CLUSTER = IPv4Network("10.128.0.0/9")
PODS = IPv4Network("10.244.0.0/16")
BACKENDS = IPv4Network("10.244.0.0/17")
MOST_ASKED = 32_000
"""Addresses that are answered, at least."""
INSIDE_ADDRESS = IPv4Address("10.244.128.2")
NOBODY = IPv4Network("10.128.0.0/10")
"""Addresses of endpoints that are never asked."""

PORT, TARGET_PORT = 80, 8080
UDP_PORT = "datagrams"
"""Name of the second port of a Service that can be asked over UDP too; both have the same numbers."""

PLAIN = ServiceSpec()

_READY = EndpointConditions(ready=True, serving=True, terminating=False)


class BenchPlan(msgspec.Struct, frozen=True):
    """Network namespaces of one lab. Their names follow `lab/plan.py`: `moorage down --instance` finds what a crash leaves."""

    instance: str

    def __post_init__(self) -> None:
        check_instance(self.instance)

    @classmethod
    def of_this_process(cls) -> BenchPlan:
        return cls(f"bench-{os.getpid()}")

    @property
    def node(self) -> str:
        return f"{self.instance}-{NODE}"

    @property
    def outside(self) -> str:
        return f"{self.instance}-client"

    @property
    def inside(self) -> str:
        return f"{self.instance}-pod-bench.inside"

    @property
    def backends(self) -> str:
        return f"{self.instance}-pod-bench.backends"

    @property
    def namespaces(self) -> tuple[str, ...]:
        return self.node, self.outside, self.inside, self.backends


class Sample(msgspec.Struct, frozen=True):
    """A Service that can be asked over TCP and UDP at `cluster_ip`:80; each of its `backends` answers at port 8080."""

    key: Key
    cluster_ip: str
    backends: tuple[str, ...]


def backend(number: int) -> str:
    """The n-th address that is answered, from 0."""
    return str(BACKENDS[256 + number])


def nobody(number: int) -> str:
    return str(NOBODY[number % NOBODY.num_addresses])


def node_object() -> Node:
    addresses = (NodeAddress("InternalIP", str(NODE_ADDRESS)),)
    return Node(
        api_version="v1",
        kind="Node",
        metadata=ObjectMeta(name=NODE),
        spec=NodeSpec(pod_cidr=str(PODS), pod_cidrs=(str(PODS),)),
        status=NodeStatus(addresses=addresses),
    )


def service(name: str, spec: ServiceSpec = PLAIN, udp: bool = False) -> Service:
    """`spec` says everything but the ports. It has no selector: its slices are written by hand."""
    ports = [ServicePort(name="http", protocol="TCP", port=PORT, target_port=TARGET_PORT)]
    if udp:
        ports.append(ServicePort(name=UDP_PORT, protocol="UDP", port=PORT, target_port=TARGET_PORT))
    meta = ObjectMeta(name=name, namespace=NAMESPACE)
    return Service(api_version="v1", kind="Service", metadata=meta, spec=msgspec.structs.replace(spec, ports=tuple(ports)))


def slices(name: str, addresses: tuple[str, ...], node: str = NODE, udp: bool = False) -> Iterator[EndpointSlice]:
    """The endpoints of a Service in slices of up to 100, as a controller would write them. Without a `node` they are
    spread over nine others.
    """
    ports = [EndpointPort(name="http", protocol="TCP", port=TARGET_PORT)]
    if udp:
        ports.append(EndpointPort(name=UDP_PORT, protocol="UDP", port=TARGET_PORT))
    labels = {SERVICE_NAME_LABEL: name, MANAGED_BY_LABEL: "bench.moorage.dev"}
    for first in range(0, len(addresses), MAX_ENDPOINTS_PER_SLICE):
        part = addresses[first : first + MAX_ENDPOINTS_PER_SLICE]
        yield EndpointSlice(
            api_version=ENDPOINT_SLICES.api_version,
            kind=ENDPOINT_SLICES.kind,
            metadata=ObjectMeta(name=f"{name}-{first}", namespace=NAMESPACE, labels=labels),
            address_type="IPv4",
            endpoints=tuple(_endpoint(name, first + index, address, node) for index, address in enumerate(part)),
            ports=tuple(ports),
        )


def _endpoint(name: str, number: int, address: str, node: str) -> Endpoint:
    uid = f"00000000-0000-4000-8000-{int(IPv4Address(address)):012x}"
    target = ObjectReference(kind="Pod", namespace=NAMESPACE, name=f"{name}-{number}", uid=uid)
    other = 0 if node else 2 + number % OTHERS
    return Endpoint(
        addresses=(address,),
        conditions=_READY,
        target_ref=target,
        node_name=node or f"node-{other}",
        zone=f"zone-{other % 3}",
    )


class Fill(msgspec.Struct, frozen=True):
    """`services` Services `web-N` of `endpoints` endpoints each. `samples` of them can be asked: spread evenly over the
    order of their names, which is that of lists, with the first and the last.
    """

    services: int
    endpoints: int
    samples: int = 3

    def sampled(self) -> dict[int, int]:
        """Number of a Service that can be asked -> which of the samples it is."""
        return _sampled(self.services, self.samples)

    def addresses(self, number: int) -> tuple[str, ...]:
        """Of the endpoints of `web-NUMBER`."""
        sample = self.sampled().get(number)
        if sample is None:
            return tuple(nobody(number * self.endpoints + each) for each in range(self.endpoints))
        return tuple(backend(sample * self.endpoints + each) for each in range(self.endpoints))

    def written(self) -> Iterator[Written]:
        """Each Service and then its slices."""
        sampled = self.sampled()
        for number in range(self.services):
            name, udp = f"web-{number}", number in sampled
            yield _written(service(name, udp=udp))
            for each in slices(name, self.addresses(number), NODE if udp else "", udp):
                yield _written(each)


@cache
def _sampled(services: int, samples: int) -> dict[int, int]:
    count = min(samples, services)
    by_name = sorted(range(services), key=str)
    return {by_name[each * (services - 1) // max(1, count - 1)]: each for each in range(count)}


def _written(obj: Object) -> Written:
    kind = SERVICES if isinstance(obj, Service) else ENDPOINT_SLICES
    return Written(collection_path(kind, NAMESPACE), encode(obj))
