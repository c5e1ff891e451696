"""EndpointSlice. Source: `pkg/apis/discovery/validation/validation.go`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from moorage.model.errors import FieldError, duplicate, invalid, not_supported, required
from moorage.model.slices import Endpoint, EndpointPort, EndpointSlice
from moorage.registry import formats
from moorage.registry.metadata import validate_labels
from moorage.registry.strategy import Strategy

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS, MAX_TOPOLOGY, MAX_HINTS = 1000, 100, 20000, 16, 8


class EndpointSliceStrategy(Strategy[EndpointSlice]):
    """A slice has no status: all but its metadata is what is wanted, and its labels tie it to its Service."""

    counts_generations = True

    def default(self, obj: EndpointSlice) -> EndpointSlice:
        ports = tuple(msgspec.structs.replace(each, protocol=each.protocol or "TCP") for each in obj.ports)
        return msgspec.structs.replace(obj, ports=ports)

    def wants_same(self, before: EndpointSlice, after: EndpointSlice) -> bool:
        return before.metadata.labels == after.metadata.labels and super().wants_same(before, after)

    def validate(self, obj: EndpointSlice) -> list[FieldError]:
        errors: list[FieldError] = []
        if not obj.address_type:
            errors.append(required("addressType"))
        elif obj.address_type not in ADDRESS_TYPES:
            errors.append(not_supported("addressType", obj.address_type, ADDRESS_TYPES))
        errors += _endpoints(obj.endpoints, obj.address_type)
        errors += _ports(obj.ports)
        return errors

    def validate_update(self, before: EndpointSlice, after: EndpointSlice) -> list[FieldError]:
        if before.address_type == after.address_type:
            return []
        return [invalid("addressType", after.address_type, "field is immutable")]


def _too_many(path: str, count: int, limit: int) -> FieldError:
    return FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items")


def _endpoints(endpoints: Sequence[Endpoint], address_type: str) -> Iterator[FieldError]:
    if len(endpoints) > MAX_ENDPOINTS:
        yield _too_many("endpoints", len(endpoints), MAX_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        if not endpoint.addresses:
            yield required(f"endpoints[{index}].addresses", "must contain at least 1 address")
        elif len(endpoint.addresses) > MAX_ADDRESSES:
            yield _too_many(f"endpoints[{index}].addresses", len(endpoint.addresses), MAX_ADDRESSES)
        for position, address in enumerate(endpoint.addresses):
            for text in _address(address, address_type):
                yield invalid(f"endpoints[{index}].addresses[{position}]", address, text)
        if endpoint.node_name is not None:
            for text in formats.dns_subdomain(endpoint.node_name):
                yield invalid(f"endpoints[{index}].nodeName", endpoint.node_name, text)
        if endpoint.hostname is not None:
            for text in formats.dns_label(endpoint.hostname):
                yield invalid(f"endpoints[{index}].hostname", endpoint.hostname, text)
        if endpoint.deprecated_topology or endpoint.hints is not None:
            yield from _topology(endpoint, f"endpoints[{index}]")


def _address(address: str, address_type: str) -> tuple[str, ...]:
    """A type that is not known is refused by itself; its addresses are then not judged."""
    if address_type == "IPv4" and formats.is_usual_ipv4(address):
        return ()
    if address_type in ("IPv4", "IPv6"):
        found = formats.parsed_address(address)
        if found is not None and found.version != int(address_type[-1]):
            return (f"must be an {address_type} address",)
        return formats.endpoint_address(address)
    return formats.dns_subdomain(address.removesuffix(".")) if address_type == "FQDN" else ()


def _topology(endpoint: Endpoint, path: str) -> Iterator[FieldError]:
    if len(endpoint.deprecated_topology) > MAX_TOPOLOGY:
        yield _too_many(f"{path}.deprecatedTopology", len(endpoint.deprecated_topology), MAX_TOPOLOGY)
    yield from validate_labels(endpoint.deprecated_topology, f"{path}.deprecatedTopology")
    if endpoint.hints is None:
        return
    zones = [each.name for each in endpoint.hints.for_zones]
    nodes = [each.name for each in endpoint.hints.for_nodes]
    yield from _hints(zones, f"{path}.hints.forZones", formats.label_value)
    yield from _hints(nodes, f"{path}.hints.forNodes", formats.dns_subdomain)


def _hints(names: Sequence[str], path: str, name_format: formats.Format) -> Iterator[FieldError]:
    if len(names) > MAX_HINTS:
        yield _too_many(path, len(names), MAX_HINTS)
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            yield duplicate(f"{path}[{index}].name", name)
        yield from (invalid(f"{path}[{index}].name", name, text) for text in name_format(name))


def _ports(ports: Sequence[EndpointPort]) -> Iterator[FieldError]:
    if len(ports) > MAX_PORTS:
        yield _too_many("ports", len(ports), MAX_PORTS)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        path = f"ports[{index}]"
        if port.name:
            yield from (invalid(f"{path}.name", port.name, text) for text in formats.dns_label(port.name))
        if port.name in names:
            yield duplicate(f"{path}.name", port.name)
        names.add(port.name)
        if port.protocol not in PROTOCOLS:
            yield not_supported(f"{path}.protocol", port.protocol, PROTOCOLS)
        if port.port is not None:
            yield from (invalid(f"{path}.port", port.port, text) for text in formats.port_number(port.port))
        if port.app_protocol is not None:
            texts = formats.qualified_name(port.app_protocol)
            yield from (invalid(f"{path}.appProtocol", port.app_protocol, text) for text in texts)
