"""Short ways to write tables in tests."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.table.types import Backend, ForwardingTable, Frontend, FrontendAddress, NoBackend, Scope

TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP


def backend(number: int, family: int = 4) -> Backend:
    return Backend(ip_address(f"10.244.0.{number}" if family == 4 else f"fd00:244::{number}"), 8080)


def frontend(
    address: str = "10.96.0.10",
    port: int = 80,
    protocol: Protocol = TCP,
    backends: tuple[int, ...] = (),
    scope: Scope = Scope.CLUSTER,
    masquerade: bool = False,
    without_backend: NoBackend = NoBackend.REJECT,
) -> Frontend:
    """`backends` are numbers: 3 is 10.244.0.3:8080 or [fd00:244::3]:8080."""
    found = ip_address(address)
    chosen = tuple(backend(number, found.version) for number in backends)
    return Frontend(FrontendAddress(found, protocol, port), scope, chosen, masquerade, without_backend)


def table(*frontends: Frontend, sources: tuple[str, ...] = ()) -> ForwardingTable:
    """Each frontend in a Service of its own, named after its number."""
    services = {Key("default", f"service-{number}"): (each,) for number, each in enumerate(frontends)}
    return ForwardingTable(services, cluster_sources=tuple(map(ip_network, sources)))
