"""One Pod behind one Service: Pod + Node + Service -> Endpoint and its resolved ports.

Source: upstream `k8s.io/endpointslice` utils.go, util/controller_utils.go and trafficdist/trafficdist.go.
"""

from __future__ import annotations

from functools import cache, lru_cache

from moorage.model.cluster import ZONE_LABEL, Node
from moorage.model.meta import ObjectReference, is_true
from moorage.model.net import Family, parse_address
from moorage.model.pods import Pod
from moorage.model.service import HEADLESS, PREFER_CLOSE, PREFER_SAME_NODE, PREFER_SAME_ZONE, Service, ServicePort
from moorage.model.slices import Endpoint, EndpointConditions, EndpointHints, EndpointPort, ForNode, ForZone

Ports = tuple[EndpointPort, ...]

_NOBODY = Pod()

_NEAR = (PREFER_CLOSE, PREFER_SAME_ZONE, PREFER_SAME_NODE)


def families(service: Service) -> tuple[Family, ...]:
    """The address types that the Service gets slices of; where `ipFamilies` is not set, what its ClusterIP says, else both."""
    if service.spec.ip_families:
        return tuple(family for family in Family if family.value in service.spec.ip_families)
    address = parse_address(service.spec.cluster_ip)
    return (Family.of(address),) if address is not None else tuple(Family)


def can_be_endpoint(pod: Pod, node: Node | None, service: Service) -> bool:
    """Pods that have ended have no endpoint, nor those on a Node that does not exist, unless unready ones are published."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return False
    return node is not None or service.spec.publish_not_ready_addresses


def same_ports(service: Service) -> Ports | None:
    """The ports of every Pod where none is named, so that no Pod need be asked."""
    return resolved_ports(service, _NOBODY) if all(isinstance(each.target_port, int) for each in service.spec.ports) else None


def resolved_ports(service: Service, pod: Pod) -> Ports:
    """The Service's ports as numbers of this Pod. A named port that the Pod does not have is left out."""
    found = []
    for port in service.spec.ports:
        number = _port_number(port, pod)
        if number is not None:
            found.append(EndpointPort(name=port.name, protocol=port.protocol, port=number, app_protocol=port.app_protocol))
    return tuple(found)


def _port_number(port: ServicePort, pod: Pod) -> int | None:
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    sidecars = (each for each in pod.spec.init_containers if each.restart_policy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        for each in container.ports:
            if each.name == port.target_port and (each.protocol or "TCP") == port.protocol:
                return each.container_port
    return None


def endpoint(pod: Pod, node: Node | None, service: Service, family: Family) -> Endpoint | None:
    """The Pod as an endpoint of that family, or None where it has no such address."""
    addresses = _addresses(pod, family)
    if not addresses:
        return None
    serving = is_true(pod.status.conditions, "Ready")
    terminating = pod.metadata.deletion_timestamp is not None
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    zone = (node.metadata.labels.get(ZONE_LABEL) if node is not None else None) or None
    return Endpoint(
        addresses=addresses,
        conditions=_conditions(ready, serving, terminating),
        hostname=pod.spec.hostname if pod.spec.hostname and pod.spec.subdomain == service.metadata.name else None,
        target_ref=ObjectReference(kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid),
        node_name=pod.spec.node_name or None,
        zone=zone,
        hints=_hints(service.spec.traffic_distribution, zone, pod.spec.node_name) if ready else None,
    )


@lru_cache(maxsize=1 << 14)
def _hints(distribution: str | None, zone: str | None, node: str) -> EndpointHints | None:
    """What `spec.trafficDistribution` asks of a ready endpoint (KEP-4444, KEP-3015); None for an unknown word."""
    if distribution not in _NEAR:
        return None
    zones = (ForZone(name=zone),) if zone else ()
    nodes = (ForNode(name=node),) if node and distribution == PREFER_SAME_NODE else ()
    return EndpointHints(for_zones=zones, for_nodes=nodes) if zones or nodes else None


@cache
def _conditions(ready: bool, serving: bool, terminating: bool) -> EndpointConditions:
    """One value for all endpoints in that state."""
    return EndpointConditions(ready=ready, serving=serving, terminating=terminating)


def _addresses(pod: Pod, family: Family) -> tuple[str, ...]:
    found = []
    for text in [each.ip for each in pod.status.pod_ips] or [pod.status.pod_ip]:
        own, canonical = _canonical(text)
        if own is family:
            found.append(canonical)
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _canonical(text: str) -> tuple[Family | None, str]:
    """An address in its usual spelling, and its family; None where the text is none."""
    address = parse_address(text) if text else None
    if address is None:
        return None, ""
    return (Family.IPV4, text) if address.version == 4 else (Family.IPV6, str(address))


def is_headless(service: Service) -> bool:
    """Upstream's rule for the headless label: no virtual address, asked for or not yet given."""
    return service.spec.cluster_ip in ("", HEADLESS)
