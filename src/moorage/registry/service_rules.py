"""What a valid Service is. Source: `ValidateService` and `ValidateServiceUpdate` in `pkg/apis/core/validation/validation.go`.

Addresses and families have a file of their own, `service_address_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moorage.model.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from moorage.model.service import CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT, Service, ServicePort, ServiceSpec
from moorage.registry import formats
from moorage.registry.address_formats import address_errors, parse, prefix_errors
from moorage.registry.metadata import validate_labels
from moorage.registry.service_address_rules import validate_addresses
from moorage.registry.service_facts import externally_accessible, is_headless, needs_health_check

TYPES = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
MAX_AFFINITY_SECONDS = 86400

TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"

ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def validate(service: Service, before: Service | None = None) -> list[FieldError]:
    """Everything that is wrong with a Service by itself. Addresses that it had before are not judged again."""
    spec = service.spec
    known = before.spec if before else ServiceSpec()
    return [
        *_annotations(service),
        *_type(spec),
        *_ports(spec),
        *validate_labels(spec.selector, "spec.selector"),
        *_affinity(spec),
        *validate_addresses(spec, known.cluster_ips),
        *_external_ips(spec, known.external_ips),
        *_supported_type(spec),
        *_port_repetitions(spec),
        *_source_ranges(service, before),
        *_load_balancer(spec),
        *_traffic(spec),
    ]


def validate_update(before: ServiceSpec, after: ServiceSpec) -> list[FieldError]:
    """What may not change while the Service stays of its type."""
    errors = []
    if before.type == after.type == LOAD_BALANCER and before.load_balancer_class != after.load_balancer_class:
        errors.append(invalid("spec.loadBalancerClass", after.load_balancer_class, "may not change once set"))
    if (
        needs_health_check(before)
        and needs_health_check(after)
        and before.health_check_node_port != after.health_check_node_port
    ):
        errors.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return errors


def validate_status(service: Service, before: Service) -> list[FieldError]:
    """`status.loadBalancer`: addresses, names and `ipMode` (KEP-1860). Conditions are not judged, as upstream."""
    errors: list[FieldError] = []
    ingress = service.status.load_balancer.ingress
    known = [each.ip for each in before.status.load_balancer.ingress if each.ip]
    if service.spec.type != LOAD_BALANCER:
        if ingress:
            errors.append(forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'"))
        return errors
    for index, each in enumerate(ingress):
        path = f"status.loadBalancer.ingress[{index}]"
        if each.ip:
            errors += [invalid(f"{path}.ip", each.ip, text) for text in address_errors(each.ip, known)]
            if each.ip_mode not in ("VIP", "Proxy"):
                errors.append(not_supported(f"{path}.ipMode", each.ip_mode, ("Proxy", "VIP")))
        elif each.ip_mode is not None:
            errors.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
        if each.hostname:
            errors += [invalid(f"{path}.hostname", each.hostname, text) for text in formats.dns_subdomain(each.hostname)]
            if parse(each.hostname) is not None:
                errors.append(invalid(f"{path}.hostname", each.hostname, "must be a DNS name, not an IP address"))
    return errors


def _type(spec: ServiceSpec) -> Iterator[FieldError]:
    if not spec.ports and not is_headless(spec) and spec.type != EXTERNAL_NAME:
        yield required("spec.ports")
    if is_headless(spec) and spec.type in (LOAD_BALANCER, NODE_PORT):
        yield invalid("spec.clusterIPs[0]", spec.cluster_ips[0], f"may not be set to 'None' for {spec.type} services")
    if spec.type != EXTERNAL_NAME:
        return
    if spec.cluster_ips:
        yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    if spec.ip_families:
        yield forbidden("spec.ipFamilies", "may not be set for ExternalName services")
    if spec.ip_family_policy is not None:
        yield forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services")
    name = spec.external_name.removesuffix(".")
    if not name:
        yield required("spec.externalName")
    else:
        yield from (invalid("spec.externalName", name, text) for text in formats.dns_subdomain(name))


def _supported_type(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.type not in TYPES:
        yield not_supported("spec.type", spec.type, TYPES)
    for index, port in enumerate(spec.ports):
        if spec.type == CLUSTER_IP and port.node_port:
            yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")


def _annotations(service: Service) -> Iterator[FieldError]:
    """The older annotation for topology may stand beside the newer one, as long as they agree."""
    annotations = service.metadata.annotations
    mode, hints = annotations.get(TOPOLOGY_MODE), annotations.get(TOPOLOGY_HINTS)
    if None not in (mode, hints) and mode != hints:
        detail = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, detail)


def _ports(spec: ServiceSpec) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if port.name:
            yield from (invalid(f"{path}.name", port.name, text) for text in formats.dns_label(port.name))
            if port.name in names:
                yield duplicate(f"{path}.name", port.name)
            names.add(port.name)
        elif len(spec.ports) > 1:
            yield required(f"{path}.name")
        yield from _port(port, path)


def _port(port: ServicePort, path: str) -> Iterator[FieldError]:
    yield from (invalid(f"{path}.port", port.port, text) for text in formats.port_number(port.port))
    if port.protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", port.protocol, PROTOCOLS)
    target = port.target_port
    texts = formats.port_number(target) if isinstance(target, int) else formats.port_name(target)
    yield from (invalid(f"{path}.targetPort", target, text) for text in texts)
    if port.app_protocol is not None:
        yield from (
            invalid(f"{path}.appProtocol", port.app_protocol, text) for text in formats.qualified_name(port.app_protocol)
        )


def _port_repetitions(spec: ServiceSpec) -> Iterator[FieldError]:
    """A node port, and a port, may occur once for each protocol."""
    node_ports: set[tuple[str, int]] = set()
    ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        if port.node_port:
            if (port.protocol, port.node_port) in node_ports:
                yield duplicate(f"spec.ports[{index}].nodePort", port.node_port)
            node_ports.add((port.protocol, port.node_port))
        if (port.protocol, port.port) in ports:
            shown = {
                "Name": "",
                "Protocol": port.protocol,
                "AppProtocol": None,
                "Port": port.port,
                "TargetPort": 0,
                "NodePort": 0,
            }
            yield duplicate(f"spec.ports[{index}]", shown)
        ports.add((port.protocol, port.port))


def _affinity(spec: ServiceSpec) -> Iterator[FieldError]:
    path = "spec.sessionAffinityConfig"
    if spec.session_affinity not in AFFINITIES:
        yield not_supported("spec.sessionAffinity", spec.session_affinity, AFFINITIES)
    config = spec.session_affinity_config
    if spec.session_affinity == "None" and config is not None:
        yield forbidden(path, "must not be set when session affinity is None")
    if spec.session_affinity == "ClientIP":
        seconds = config.client_ip.timeout_seconds if config and config.client_ip else None
        if seconds is None:
            yield required(path, "when session affinity type is ClientIP")
        elif not 0 < seconds <= MAX_AFFINITY_SECONDS:
            detail = f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"
            yield invalid(f"{path}.clientIP.timeoutSeconds", seconds, detail)


def _external_ips(spec: ServiceSpec, known: Sequence[str]) -> Iterator[FieldError]:
    for index, text in enumerate(spec.external_ips):
        errors = address_errors(text, known)
        parsed = parse(text)
        if not errors and parsed is not None:
            errors = formats.endpoint_address(parsed.canonical)
        yield from (invalid(f"spec.externalIPs[{index}]", text, each) for each in errors)


def _source_ranges(service: Service, before: Service | None) -> Iterator[FieldError]:
    """`loadBalancerSourceRanges`; upstream spells its path with a capital L, and lets blanks surround a prefix."""
    ranges = service.spec.load_balancer_source_ranges
    if not ranges:
        yield from _source_ranges_annotation(service, before)
        return
    if service.spec.type != LOAD_BALANCER:
        yield forbidden("spec.LoadBalancerSourceRanges", ONLY_LOAD_BALANCER)
    known = [each.strip() for each in before.spec.load_balancer_source_ranges] if before else []
    for index, text in enumerate(map(str.strip, ranges)):
        yield from (invalid(f"spec.LoadBalancerSourceRanges[{index}]", text, each) for each in prefix_errors(text, known))


def _source_ranges_annotation(service: Service, before: Service | None) -> Iterator[FieldError]:
    """The annotation from before the field, which counts where the field is empty."""
    value = service.metadata.annotations.get(SOURCE_RANGES)
    if value is None:
        return
    path = f"metadata.annotations[{SOURCE_RANGES}]"
    if service.spec.type != LOAD_BALANCER:
        yield forbidden(path, ONLY_LOAD_BALANCER)
    if before is not None and before.metadata.annotations.get(SOURCE_RANGES) == value:
        return
    for text in value.strip().split(",") if value.strip() else ():
        yield from (invalid(path, text.strip(), each) for each in prefix_errors(text.strip()))


def _load_balancer(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.type != LOAD_BALANCER:
        if spec.allocate_load_balancer_node_ports is not None:
            yield forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER)
        if spec.load_balancer_class is not None:
            yield forbidden("spec.loadBalancerClass", ONLY_LOAD_BALANCER)
    elif spec.load_balancer_class is not None:
        texts = formats.qualified_name(spec.load_balancer_class)
        yield from (invalid("spec.loadBalancerClass", spec.load_balancer_class, text) for text in texts)


def _traffic(spec: ServiceSpec) -> Iterator[FieldError]:
    external = spec.external_traffic_policy
    if not externally_accessible(spec):
        if external:
            yield invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services")
    elif external not in POLICIES:
        yield not_supported("spec.externalTrafficPolicy", external, POLICIES)
    if spec.health_check_node_port:
        if not needs_health_check(spec):
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield invalid("spec.healthCheckNodePort", spec.health_check_node_port, detail)
        else:
            texts = formats.port_number(spec.health_check_node_port)
            yield from (invalid("spec.healthCheckNodePort", spec.health_check_node_port, text) for text in texts)
    internal = spec.internal_traffic_policy
    if internal is not None and internal not in POLICIES:
        yield not_supported("spec.internalTrafficPolicy", internal, POLICIES)
    if spec.traffic_distribution is not None and spec.traffic_distribution not in DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", spec.traffic_distribution, DISTRIBUTIONS)
