"""What is at a name: Name + Directory -> its records, or None where there is no such name (NXDOMAIN).

A name that exists and has no record of the wanted type is another answer (NODATA): so all records of a name are found, whatever
was asked. Source: kubernetes/dns `docs/specification.md` 1.1, section by section.
"""

from __future__ import annotations

import msgspec

from moorage.dns.directory import Directory, cluster_addresses, hostname, is_headless
from moorage.dns.question import (
    Apex,
    Branch,
    EndpointName,
    Name,
    NameServer,
    NamespaceName,
    Nothing,
    Outside,
    PodName,
    PortName,
    Reverse,
    ServiceName,
    Version,
)
from moorage.dns.settings import DnsSettings
from moorage.model.meta import Key
from moorage.model.net import Address, parse_address
from moorage.model.service import EXTERNAL_NAME, Service

SCHEMA_VERSION = "1.1.0"


class Alias(msgspec.Struct, frozen=True):
    """CNAME."""

    target: str


class Pointer(msgspec.Struct, frozen=True):
    """PTR."""

    target: str


class Server(msgspec.Struct, frozen=True):
    """SRV (RFC 2782); priority and weight are always 0 and 100. `addresses` are those of the target."""

    target: str
    port: int
    addresses: tuple[Address, ...] = ()


class Text(msgspec.Struct, frozen=True):
    """TXT."""

    text: str


class Authority(msgspec.Struct, frozen=True):
    """SOA and NS of the zone."""


Data = Address | Alias | Pointer | Server | Text | Authority


class Source(msgspec.Struct, frozen=True):
    """What the answers are drawn from."""

    directory: Directory
    settings: DnsSettings


def find(name: Name, source: Source) -> tuple[Data, ...] | None:
    """All records at a name, None for no such name. Names are absolute, without the last dot."""
    match name:
        case Apex():
            return (Authority(),)
        case Version():  # 2.2
            return (Text(SCHEMA_VERSION),)
        case Branch():
            return ()
        case NamespaceName(namespace):
            return () if source.directory.has_namespace(namespace) else None
        case NameServer():
            service = source.directory.service(source.settings.dns_service)
            return cluster_addresses(service) if service is not None else ()
        case PodName(namespace, address):  # 2.6
            return (address,) if source.directory.has_namespace(namespace) else None
        case Reverse(address):  # 2.3.3, 2.4.3
            labels = source.directory.names_of(address)
            return tuple(Pointer(_absolute(each, source.settings)) for each in labels) or None
        case ServiceName(key) | EndpointName(key) | PortName(key):
            service = source.directory.service(key)
            return _of_service(name, service, source) if service is not None else None
        case Nothing() | Outside():
            return None


def _of_service(name: ServiceName | EndpointName | PortName, service: Service, source: Source) -> tuple[Data, ...] | None:
    match name:
        case ServiceName() if service.spec.type == EXTERNAL_NAME:  # 2.5
            target = service.spec.external_name.rstrip(".")
            return (Alias(target),) if target and parse_address(target) is None else None
        case ServiceName(key) if is_headless(service):  # 2.4.1
            return tuple(dict.fromkeys(address for _, _, address in source.directory.endpoints(key))) or None
        case ServiceName():  # 2.3.1
            return cluster_addresses(service)
        case EndpointName(key, wanted):  # 2.4.1
            found = source.directory.endpoints(key)
            return (
                tuple(dict.fromkeys(address for _, each, address in found if hostname(each, address).lower() == wanted)) or None
            )
        case PortName(key, protocol, "") if is_headless(service):
            named = (port for each, _, _ in source.directory.endpoints(key) for port in each.ports)
            return () if any(port.name and port.protocol == protocol for port in named) else None
        case PortName(_, protocol, ""):
            return () if any(port.name and port.protocol == protocol for port in service.spec.ports) else None
        case PortName() if is_headless(service):  # 2.4.2
            return _endpoint_servers(name, source) or None
        case PortName(key, protocol, wanted):  # 2.3.2
            target, addresses = _absolute((key.name, key.namespace), source.settings), cluster_addresses(service)
            ports = (each for each in service.spec.ports if (each.name.lower(), each.protocol) == (wanted, protocol))
            return tuple(Server(target, each.port, addresses) for each in ports) or None


def _endpoint_servers(name: PortName, source: Source) -> tuple[Server, ...]:
    """One for each ready endpoint that has the port; endpoints that share a hostname share a record."""
    addresses: dict[tuple[str, int], list[Address]] = {}
    for each, endpoint, address in source.directory.endpoints(name.service):
        for port in each.ports:
            if (port.name.lower(), port.protocol) == (name.port, name.protocol) and port.port is not None:
                addresses.setdefault((hostname(endpoint, address), port.port), []).append(address)
    key = name.service
    return tuple(
        Server(_absolute((host, key.name, key.namespace), source.settings), port, tuple(dict.fromkeys(found)))
        for (host, port), found in addresses.items()
    )


def _absolute(labels: tuple[str, ...], settings: DnsSettings) -> str:
    return ".".join((*labels, "svc", settings.zone))


def service_name(key: Key, settings: DnsSettings) -> str:
    """The full name of a Service, without the last dot."""
    return _absolute((key.name, key.namespace), settings)
