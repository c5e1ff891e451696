"""Endpoints: rules of `ValidateEndpoints` in `pkg/apis/core/validation/validation.go`, and `pkg/registry/core/endpoint`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.model.endpoints import ENDPOINTS_MANAGED_BY_LABEL, EndpointAddress, Endpoints, EndpointSubset, SubsetPort
from moorage.model.errors import FieldError, invalid, not_supported, required
from moorage.registry import formats
from moorage.registry.strategy import Strategy

PROTOCOLS = ("SCTP", "TCP", "UDP")


class EndpointsStrategy(Strategy[Endpoints]):
    """An Endpoints object has no status and no generation."""

    create_on_update = True

    def default(self, obj: Endpoints) -> Endpoints:
        return msgspec.structs.replace(obj, subsets=tuple(map(_with_protocols, obj.subsets)))

    def validate(self, obj: Endpoints) -> list[FieldError]:
        return [error for index, subset in enumerate(obj.subsets) for error in _subset(subset, f"subsets[{index}]")]

    def warnings(self, obj: Endpoints) -> tuple[str, ...]:
        """Addresses in an unusual spelling. What the Endpoints controller writes is in the usual one."""
        if ENDPOINTS_MANAGED_BY_LABEL in obj.metadata.labels:
            return ()
        return tuple(
            f'{path}.ip: IPv6 address "{address.ip}" should be in RFC 5952 canonical format ("{found}")'
            for index, subset in enumerate(obj.subsets)
            for path, address in _addresses(subset, f"subsets[{index}]")
            if (found := formats.parsed_address(address.ip)) is not None and str(found) != address.ip
        )


def _with_protocols(subset: EndpointSubset) -> EndpointSubset:
    if all(each.protocol for each in subset.ports):
        return subset
    ports = tuple(msgspec.structs.replace(each, protocol=each.protocol or "TCP") for each in subset.ports)
    return msgspec.structs.replace(subset, ports=ports)


def _addresses(subset: EndpointSubset, path: str) -> Iterator[tuple[str, EndpointAddress]]:
    for index, address in enumerate(subset.addresses):
        yield f"{path}.addresses[{index}]", address
    for index, address in enumerate(subset.not_ready_addresses):
        yield f"{path}.notReadyAddresses[{index}]", address


def _subset(subset: EndpointSubset, path: str) -> Iterator[FieldError]:
    """A subset without ports is allowed: a headless Service may have none."""
    if not subset.addresses and not subset.not_ready_addresses:
        yield required(path, "must specify `addresses` or `notReadyAddresses`")
    for where, address in _addresses(subset, path):
        yield from _address(address, where)
    for index, port in enumerate(subset.ports):
        yield from _port(port, f"{path}.ports[{index}]", named=len(subset.ports) > 1)


def _address(address: EndpointAddress, path: str) -> Iterator[FieldError]:
    yield from (invalid(f"{path}.ip", address.ip, text) for text in formats.address(address.ip))
    if address.hostname:
        yield from (invalid(f"{path}.hostname", address.hostname, text) for text in formats.dns_label(address.hostname))
    if address.node_name is not None:
        yield from (invalid(f"{path}.nodeName", address.node_name, text) for text in formats.dns_subdomain(address.node_name))
    if formats.parsed_address(address.ip) is None:
        yield invalid(f"{path}.ip", address.ip, "must be a valid IP address")
    else:
        yield from (invalid(f"{path}.ip", address.ip, text) for text in formats.endpoint_address(address.ip))


def _port(port: SubsetPort, path: str, named: bool) -> Iterator[FieldError]:
    """`named`: several ports of one subset are told apart by name."""
    if port.name:
        yield from (invalid(f"{path}.name", port.name, text) for text in formats.dns_label(port.name))
    elif named:
        yield required(f"{path}.name")
    yield from (invalid(f"{path}.port", port.port, text) for text in formats.port_number(port.port))
    if port.protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", port.protocol, PROTOCOLS)
    if port.app_protocol is not None:
        texts = formats.qualified_name(port.app_protocol)
        yield from (invalid(f"{path}.appProtocol", port.app_protocol, text) for text in texts)
