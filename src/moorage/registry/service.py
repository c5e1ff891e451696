"""Service: defaults, and what an update keeps, infers or wipes.

Source: `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/service/strategy.go` and `storage/storage.go`.
The rules are in `service_rules.py`, families in `service_families.py`, addresses and ports in `service_allocation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from moorage.model.errors import FieldError
from moorage.model.net import Family
from moorage.model.service import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    ClientIPConfig,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from moorage.registry import service_rules
from moorage.registry.formats import dns_label
from moorage.registry.service_address_rules import validate_address_changes
from moorage.registry.service_allocation import allocate, held
from moorage.registry.service_cidrs import ranges
from moorage.registry.service_facts import (
    externally_accessible,
    keeps_node_ports,
    needs_cluster_ip,
    needs_health_check,
    needs_node_port,
    node_ports,
)
from moorage.registry.service_families import settle
from moorage.registry.service_warnings import status_warnings, warnings
from moorage.registry.settings import RegistrySettings
from moorage.registry.strategy import Allocation, Held, ReadView, Strategy
from moorage.table.frontends import DEFAULT_AFFINITY_SECONDS
from moorage.table.port_ranges import port_ranges
from moorage.table.types import TableNote

if TYPE_CHECKING:
    from random import Random


class ServiceStrategy(Strategy[Service]):
    """One row per rule is in `tests/registry/test_service*.py`, with its upstream source."""

    name_format = staticmethod(dns_label)
    create_on_update = True
    fields = ("spec.clusterIP", "spec.type")

    def __init__(self, settings: RegistrySettings) -> None:
        self._addresses = settings.addresses()
        self._ports = settings.ports()
        self._families: Sequence[Family] = [Family.of(each.prefix) for each in self._addresses]

    def warnings(self, obj: Service) -> tuple[str, ...]:
        """Upstream's, and what the forwarding table cannot use: nobody should learn that from missing traffic."""
        notes: list[TableNote] = []
        port_ranges(obj, notes)
        return (*warnings(self.default(obj)), *(note.message for note in notes))

    def status_warnings(self, obj: Service) -> tuple[str, ...]:
        return status_warnings(obj)

    def default(self, obj: Service) -> Service:
        spec = obj.spec
        type_ = spec.type or CLUSTER_IP
        affinity = spec.session_affinity or "None"
        changes: dict[str, Any] = {
            "type": type_,
            "session_affinity": affinity,
            "session_affinity_config": _affinity_config(affinity, spec.session_affinity_config),
            "ports": tuple(map(_default_port, spec.ports)),
        }
        if type_ in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER):
            changes["internal_traffic_policy"] = spec.internal_traffic_policy or "Cluster"
        if type_ == LOAD_BALANCER and spec.allocate_load_balancer_node_ports is None:
            changes["allocate_load_balancer_node_ports"] = True
        spec = msgspec.structs.replace(spec, **changes)
        if externally_accessible(spec) and not spec.external_traffic_policy:
            spec = msgspec.structs.replace(spec, external_traffic_policy="Cluster")
        return msgspec.structs.replace(obj, spec=spec, status=_default_status(obj.status))

    def prepare_create(self, obj: Service) -> Service:
        spec = obj.spec
        if spec.cluster_ip and not spec.cluster_ips:
            spec = msgspec.structs.replace(spec, cluster_ips=(spec.cluster_ip,))
        spec = settle(spec, None, self._families).spec
        return msgspec.structs.replace(obj, spec=spec, status=ServiceStatus(load_balancer=LoadBalancerStatus()))

    def prepare_update(self, before: Service, after: Service) -> Service:
        spec = _with_allocated(before.spec, after.spec)
        spec = _with_synced_addresses(before.spec, spec)
        spec = settle(spec, before.spec, self._families).spec
        spec = _without_foreign(before.spec, spec)
        status = before.status
        if spec.type != LOAD_BALANCER:
            status = msgspec.structs.replace(status, load_balancer=LoadBalancerStatus())
        return msgspec.structs.replace(after, spec=spec, status=status)

    def validate(self, obj: Service) -> list[FieldError]:
        return [*settle(obj.spec, None, self._families).errors] or service_rules.validate(obj)

    def judge_update(self, before: Service, after: Service) -> list[FieldError]:
        """What families and addresses there are is judged first, and alone, as on a create."""
        return [*settle(after.spec, before.spec, self._families).errors] or [
            *validate_address_changes(before.spec, after.spec),
            *service_rules.validate_update(before.spec, after.spec),
            *service_rules.validate(after, before),
        ]

    def validate_status(self, before: Service, after: Service) -> list[FieldError]:
        return service_rules.validate_status(after, before)

    def allocate(self, before: Service | None, after: Service, view: ReadView, random: Random) -> Allocation[Service]:
        if after.spec.type == EXTERNAL_NAME:  # accepted, and without a meaning: never shown
            after = msgspec.structs.replace(after, spec=msgspec.structs.replace(after.spec, internal_traffic_policy=None))
        return allocate(before, after, view, random, ranges(view, self._addresses), self._ports)

    def held(self, obj: Service) -> frozenset[Held]:
        return held(obj.spec)

    def selectable(self, obj: Service) -> Mapping[str, str]:
        return {"spec.clusterIP": obj.spec.cluster_ip, "spec.type": obj.spec.type}


def _affinity_config(affinity: str, config: SessionAffinityConfig | None) -> SessionAffinityConfig | None:
    """ClientIP needs a timeout; with None a config has no meaning and is dropped."""
    if affinity == "None":
        return None
    if affinity == "ClientIP" and (config is None or config.client_ip is None or config.client_ip.timeout_seconds is None):
        return SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=DEFAULT_AFFINITY_SECONDS))
    return config


def _default_port(port: ServicePort) -> ServicePort:
    return msgspec.structs.replace(port, protocol=port.protocol or "TCP", target_port=port.target_port or port.port)


def _default_status(status: ServiceStatus) -> ServiceStatus:
    """An address without `ipMode` is one that the node may answer itself (KEP-1860)."""
    ingress = status.load_balancer.ingress
    if all(each.ip_mode is not None or not each.ip for each in ingress):
        return status
    modes = tuple(
        msgspec.structs.replace(each, ip_mode="VIP") if each.ip and each.ip_mode is None else each for each in ingress
    )
    return msgspec.structs.replace(status, load_balancer=LoadBalancerStatus(ingress=modes))


def _with_allocated(before: ServiceSpec, after: ServiceSpec) -> ServiceSpec:
    """Allocated values that the writer left out stay, so that the same manifest can be sent again."""
    changes: dict[str, Any] = {}
    if needs_cluster_ip(before) and needs_cluster_ip(after):
        changes["cluster_ip"] = after.cluster_ip or before.cluster_ip
        changes["cluster_ips"] = after.cluster_ips or before.cluster_ips
    if keeps_node_ports(before) and keeps_node_ports(after):
        shared = node_ports(before) & node_ports(after)
        known = {port.name: port.node_port for port in before.ports if port.node_port not in shared}
        changes["ports"] = tuple(
            port if port.node_port else msgspec.structs.replace(port, node_port=known.get(port.name, 0)) for port in after.ports
        )
    if needs_health_check(before) and needs_health_check(after):
        changes["health_check_node_port"] = after.health_check_node_port or before.health_check_node_port
    return msgspec.structs.replace(after, **changes)


def _with_synced_addresses(before: ServiceSpec, after: ServiceSpec) -> ServiceSpec:
    """`clusterIP` and `clusterIPs[0]` are one: a writer that knows only the first has changed both."""
    ips = after.cluster_ips
    if before.cluster_ips and not ips and before.cluster_ip == after.cluster_ip:
        ips = before.cluster_ips
    if before.cluster_ip != after.cluster_ip and before.cluster_ips == ips:
        ips = (after.cluster_ip,) if after.cluster_ip else ()
    return msgspec.structs.replace(after, cluster_ips=ips)


def _without_foreign(before: ServiceSpec, after: ServiceSpec) -> ServiceSpec:
    """On a change of type, fields that no longer apply and were not changed in the same request are wiped.

    A field that was changed as well is kept and fails validation: the writer asked for something impossible.
    """
    changes: dict[str, Any] = {}
    if needs_cluster_ip(before) and not needs_cluster_ip(after):
        if (before.cluster_ip, before.cluster_ips) == (after.cluster_ip, after.cluster_ips):
            changes.update(cluster_ip="", cluster_ips=())
        if before.ip_families == after.ip_families:
            changes["ip_families"] = ()
        if before.ip_family_policy == after.ip_family_policy:
            changes["ip_family_policy"] = None
    if needs_node_port(before) and not needs_node_port(after) and node_ports(after) <= node_ports(before):
        changes["ports"] = tuple(msgspec.structs.replace(port, node_port=0) for port in after.ports)
    same_check = before.health_check_node_port == after.health_check_node_port
    if needs_health_check(before) and not needs_health_check(after) and same_check:
        changes["health_check_node_port"] = 0
    if before.type == LOAD_BALANCER and after.type != LOAD_BALANCER:
        if before.allocate_load_balancer_node_ports == after.allocate_load_balancer_node_ports:
            changes["allocate_load_balancer_node_ports"] = None
        if before.load_balancer_class == after.load_balancer_class:
            changes["load_balancer_class"] = None
    same_policy = before.external_traffic_policy == after.external_traffic_policy
    if externally_accessible(before) and not externally_accessible(after) and same_policy:
        changes["external_traffic_policy"] = ""
    return msgspec.structs.replace(after, **changes)
