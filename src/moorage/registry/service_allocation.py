"""ClusterIPs and node ports of a Service: what it holds, what is chosen for it, what it may not have.

Source: `pkg/registry/core/service/storage/alloc.go`. Everything happens inside the transaction that writes the object, so an
address is never held by two Services and none is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from moorage.allocate.addresses import FULL, AddressRanges
from moorage.allocate.ports import PortRange
from moorage.model.errors import ApiError, FieldError, invalid, unprocessable
from moorage.model.net import Family
from moorage.model.service import LOAD_BALANCER, NODE_PORT, Service, ServicePort, ServiceSpec
from moorage.registry.address_formats import parse
from moorage.registry.service_facts import is_headless, needs_cluster_ip, needs_health_check, needs_node_port, node_ports
from moorage.registry.strategy import Allocation, Held, ReadView

if TYPE_CHECKING:
    from random import Random

CLUSTER_IPS = "clusterip"
NODE_PORTS = "nodeport"


def held(spec: ServiceSpec) -> frozenset[Held]:
    """Addresses in their canonical text, ports in decimal."""
    found = set()
    if needs_cluster_ip(spec) and not is_headless(spec):
        found |= {_address(each) for each in spec.cluster_ips}
    if needs_node_port(spec):
        found |= set(map(_port, node_ports(spec)))
    if needs_health_check(spec) and spec.health_check_node_port:
        found.add(_port(spec.health_check_node_port))
    return frozenset(found)


def _address(text: str) -> Held:
    parsed = parse(text)
    assert parsed is not None, "only valid addresses come here"
    return Held(CLUSTER_IPS, parsed.canonical)


def _port(number: int) -> Held:
    return Held(NODE_PORTS, str(number))


def allocate(
    before: Service | None,
    after: Service,
    view: ReadView,
    random: Random,
    ranges: Mapping[Family, AddressRanges],
    ports: PortRange,
) -> Allocation[Service]:
    """Raises ApiError 422 with every wish that cannot be granted, 500 where a range is full."""
    work = _Work(before.spec if before else None, view, random)
    spec = _with_addresses(after, work, ranges)
    if needs_node_port(spec):
        spec = _with_node_ports(spec, work, ports)
    if needs_health_check(spec):
        spec = _with_health_check(spec, work, ports)
    if work.errors:
        raise unprocessable("Service", "", after.metadata.name, work.errors)
    holds = held(spec)
    return Allocation(msgspec.structs.replace(after, spec=spec), holds - work.mine, work.mine - holds)


class _Work:
    """One allocation in progress: what the Service had, and what it was given so far."""

    def __init__(self, before: ServiceSpec | None, view: ReadView, random: Random) -> None:
        self.creating = before is None
        self.mine = held(before) if before else frozenset()
        self.node_ports = node_ports(before) if before and needs_node_port(before) else frozenset()
        self.health_check = before.health_check_node_port if before and needs_health_check(before) else 0
        self.random = random
        self.errors: list[FieldError] = []
        self._view = view
        self._given: set[Held] = set()

    def give(self, wish: Held) -> None:
        self._given.add(wish)

    def address_taken(self, value: str) -> bool:
        return self._taken(Held(CLUSTER_IPS, value))

    def port_taken(self, value: int) -> bool:
        return self._taken(_port(value))

    def _taken(self, wish: Held) -> bool:
        return wish in self._given or wish in self.mine or self._view.holder(wish.pool, wish.value) is not None


def _with_addresses(service: Service, work: _Work, ranges: Mapping[Family, AddressRanges]) -> ServiceSpec:
    """One address per family of `ipFamilies`; those that were asked for are checked, the others are drawn."""
    spec = service.spec
    if not needs_cluster_ip(spec) or is_headless(spec):
        return spec
    ips = list(spec.cluster_ips)
    for index, family in enumerate(spec.ip_families):
        chosen_from = ranges.get(Family(family), AddressRanges())
        if index < len(ips):
            if _address(ips[index]) in work.mine:
                continue
            refusal = chosen_from.refusal(ips[index], work.address_taken)
            if refusal:
                detail = f"failed to allocate IP {ips[index]}: {refusal}"
                work.errors.append(invalid("spec.clusterIPs", list(spec.cluster_ips), detail))
        else:
            picked = chosen_from.pick(work.address_taken, work.random)
            if picked is None:
                raise _internal(f'failed to allocate a serviceIP for Service "{service.metadata.name}": {FULL}')
            ips.append(picked)
        work.give(_address(ips[index]))
    return msgspec.structs.replace(spec, cluster_ip=ips[0], cluster_ips=tuple(ips))


def _with_node_ports(spec: ServiceSpec, work: _Work, ports: PortRange) -> ServiceSpec:
    """A node port is held once per Service whatever the protocol.

    Service ports of one number (DNS on TCP and UDP) share a node port that is chosen for the first of them. Sharing a
    given node port between different numbers is allowed on update only, as upstream has it.
    """
    automatic = spec.type == NODE_PORT or (spec.type == LOAD_BALANCER and bool(spec.allocate_load_balancer_node_ports))
    by_number: dict[int, int] = {}
    granted: set[int] = set()
    result: list[ServicePort] = []
    for index, port in enumerate(spec.ports):
        wish = port.node_port
        if not wish and work.creating and automatic:
            wish = by_number.get(port.port) or _wish_for(spec.ports, port.port)
        if not wish and not automatic:
            result.append(port)
            continue
        if not wish:
            wish = _draw(work, ports, "nodePort")
        elif not (wish in work.node_ports or by_number.get(port.port) == wish or (wish in granted and not work.creating)):
            refusal = ports.refusal(wish, work.port_taken)
            if refusal:
                work.errors.append(invalid(f"spec.ports[{index}].nodePort", wish, refusal))
        work.give(_port(wish))
        granted.add(wish)
        by_number.setdefault(port.port, wish)
        result.append(msgspec.structs.replace(port, node_port=wish))
    return msgspec.structs.replace(spec, ports=tuple(result))


def _wish_for(ports: Sequence[ServicePort], number: int) -> int:
    """The node port that any Service port of that number asks for, or 0."""
    return next((port.node_port for port in ports if port.port == number and port.node_port), 0)


def _with_health_check(spec: ServiceSpec, work: _Work, ports: PortRange) -> ServiceSpec:
    """`healthCheckNodePort` comes from the same range as node ports."""
    wish = spec.health_check_node_port
    if not wish:
        return msgspec.structs.replace(spec, health_check_node_port=_draw(work, ports, "HealthCheck NodePort 0"))
    if wish != work.health_check:
        refusal = ports.refusal(wish, work.port_taken)
        if refusal:
            raise _internal(f"failed to allocate requested HealthCheck NodePort {wish}: {refusal}")
    return spec


def _draw(work: _Work, ports: PortRange, what: str) -> int:
    picked = ports.pick(work.port_taken, work.random)
    if picked is None:
        raise _internal(f"failed to allocate a {what}: {FULL}")
    return picked


def _internal(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")
