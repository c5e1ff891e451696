"""What kind of Service a spec describes: the questions that defaults, rules and allocation all ask.

Source: `pkg/api/service/util.go`, `pkg/registry/core/service/storage/alloc.go` (address families).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.model.net import Family
from moorage.model.service import CLUSTER_IP, EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, NODE_PORT, ServiceSpec
from moorage.registry.formats import parsed_address

SINGLE_STACK = "SingleStack"
REQUIRE_DUAL_STACK = "RequireDualStack"


def is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ips == (HEADLESS,)


def needs_cluster_ip(spec: ServiceSpec) -> bool:
    """`None` counts as a value."""
    return spec.type != EXTERNAL_NAME


def needs_node_port(spec: ServiceSpec) -> bool:
    return spec.type in (NODE_PORT, LOAD_BALANCER)


def needs_health_check(spec: ServiceSpec) -> bool:
    return spec.type == LOAD_BALANCER and spec.external_traffic_policy == "Local"


def externally_accessible(spec: ServiceSpec) -> bool:
    return needs_node_port(spec) or (spec.type == CLUSTER_IP and bool(spec.external_ips))


def node_ports(spec: ServiceSpec) -> frozenset[int]:
    return frozenset(port.node_port for port in spec.ports if port.node_port)


def free_of_families(spec: ServiceSpec) -> bool:
    """A headless Service without a selector may name any family: its endpoints are written by hand."""
    return spec.cluster_ip == HEADLESS and not spec.selector


def with_families(spec: ServiceSpec, before: ServiceSpec | None, configured: Sequence[Family]) -> ServiceSpec:
    """`ipFamilyPolicy` and `ipFamilies` completed from the addresses and from what is configured, default family first.

    What does not fit together is left for `service_rules` to refuse.
    """
    if spec.type == EXTERNAL_NAME:
        return spec
    policy = spec.ip_family_policy or (before.ip_family_policy if before else None)
    if policy is None:
        policy = REQUIRE_DUAL_STACK if free_of_families(spec) else SINGLE_STACK
    families = list(spec.ip_families)
    known = {family.value for family in configured}
    for text in spec.cluster_ips[len(families) :]:
        address = parsed_address(text)
        if address is not None and Family.of(address).value in known:
            families.append(Family.of(address).value)
    if not families:
        families = [configured[0].value]
    may_grow = free_of_families(spec) or len(configured) == 2
    if policy != SINGLE_STACK and len(families) == 1 and may_grow:
        families.append(next(each.value for each in Family if each.value != families[0]))
    return msgspec.structs.replace(spec, ip_family_policy=policy, ip_families=tuple(families))
