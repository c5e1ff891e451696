"""What kind of Service a spec describes: the questions that defaults, rules and allocation all ask.

Source: `pkg/api/service/util.go`, `pkg/registry/core/service/storage`.
"""

from __future__ import annotations

from moorage.model.service import CLUSTER_IP, EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, NODE_PORT, ServiceSpec

SINGLE_STACK = "SingleStack"
PREFER_DUAL_STACK = "PreferDualStack"
REQUIRE_DUAL_STACK = "RequireDualStack"


def is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ips == (HEADLESS,)


def needs_cluster_ip(spec: ServiceSpec) -> bool:
    """`None` counts as a value."""
    return spec.type != EXTERNAL_NAME


def needs_node_port(spec: ServiceSpec) -> bool:
    return spec.type in (NODE_PORT, LOAD_BALANCER)


def keeps_node_ports(spec: ServiceSpec) -> bool:
    """Whether node ports that an update leaves out stay: not those of a load balancer that asked for none."""
    return spec.type == NODE_PORT or (spec.type == LOAD_BALANCER and spec.allocate_load_balancer_node_ports is not False)


def needs_health_check(spec: ServiceSpec) -> bool:
    return spec.type == LOAD_BALANCER and spec.external_traffic_policy == "Local"


def externally_accessible(spec: ServiceSpec) -> bool:
    return needs_node_port(spec) or (spec.type == CLUSTER_IP and bool(spec.external_ips))


def node_ports(spec: ServiceSpec) -> frozenset[int]:
    return frozenset(port.node_port for port in spec.ports if port.node_port)


def free_of_families(spec: ServiceSpec) -> bool:
    """A headless Service without a selector may name any family: its endpoints are written by hand."""
    return spec.cluster_ip == HEADLESS and not spec.selector
