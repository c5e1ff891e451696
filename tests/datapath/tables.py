"""Short ways to write tables in tests."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from moorage.model.meta import Key
from moorage.model.net import Address, Protocol
from moorage.model.reason import Reason
from moorage.table.types import (
    AddressKind,
    Backend,
    Choice,
    ForwardingTable,
    Frontend,
    FrontendAddress,
    Locality,
)

TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP
CLUSTER_IP, NODE_PORT, LOAD_BALANCER = AddressKind.CLUSTER_IP, AddressKind.NODE_PORT, AddressKind.LOAD_BALANCER


def backend(number: int, family: int = 4, weight: int = 1, port: int = 8080) -> Backend:
    return Backend.at(ip_address(f"10.244.0.{number}" if family == 4 else f"fd00:244::{number}"), port, weight=weight)


def choice(*numbers: int, family: int = 4, port: int = 8080, dropped: bool = False) -> Choice:
    """Backends by number: 3 is 10.244.0.3:8080 or [fd00:244::3]:8080."""
    reason = Reason.NO_LOCAL_ENDPOINT if dropped else Reason.FORWARDED if numbers else Reason.NO_READY_ENDPOINT
    return Choice(tuple(backend(each, family, port=port) for each in numbers), reason)


def frontend(
    address: str = "10.96.0.10",
    port: int = 80,
    protocol: Protocol = TCP,
    backends: tuple[int, ...] = (),
    kind: AddressKind = CLUSTER_IP,
    dropped: bool = False,
    **more: Any,
) -> Frontend:
    """`dropped`: without backends, packets are swallowed. `last` ends a range, `inside` are backends by number."""
    found = ip_address(address)
    last = more.pop("last", 0)
    inside = more.pop("inside", None)
    way: dict[str, Any] = {"family": found.version, "port": 0 if last else 8080}
    if inside is not None:
        more["inside"] = choice(*inside, **way)
    match = FrontendAddress(found, protocol, port, last)
    return Frontend(match, kind, choice(*backends, **way, dropped=dropped), **more)


def node_port(port: int = 30080, family: int = 4, **more: Any) -> Frontend:
    return frontend("0.0.0.0" if family == 4 else "::", port, kind=NODE_PORT, **more)


def table(*frontends: Frontend, sources: tuple[str, ...] = (), own: tuple[str, ...] = (), **more: Any) -> ForwardingTable:
    """Each frontend in a Service of its own, named after its number. `more` are prefixes of `Locality`."""
    services = {Key("default", f"service-{number}"): (each,) for number, each in enumerate(frontends)}
    addresses: tuple[Address, ...] = tuple(map(ip_address, own))
    nets = {name: tuple(map(ip_network, texts)) for name, texts in {**more, "cluster_sources": sources}.items()}
    return ForwardingTable(services, locality=Locality(**nets, own=addresses))
