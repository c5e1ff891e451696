"""What the writer of a Service should know, though it is accepted. Source: `pkg/api/service/warnings.go` of Kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Iterator

from moorage.model.service import CLUSTER_IP, EXTERNAL_NAME, HEADLESS, Service, ServiceSpec
from moorage.registry.address_formats import address_warnings, prefix_warnings
from moorage.registry.service_rules import TOPOLOGY_HINTS, TOPOLOGY_MODE


def warnings(service: Service) -> tuple[str, ...]:
    """About a Service with its defaults filled in."""
    return (*_about_annotations(service), *_about_addresses(service.spec), *_about_the_rest(service.spec))


def status_warnings(service: Service) -> tuple[str, ...]:
    ingress = enumerate(service.status.load_balancer.ingress)
    return tuple(
        text
        for index, each in ingress
        if each.ip
        for text in address_warnings(f"status.loadBalancer.ingress[{index}]", each.ip)
    )


def _about_annotations(service: Service) -> Iterator[str]:
    if TOPOLOGY_HINTS in service.metadata.annotations:
        yield f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"


def _about_addresses(spec: ServiceSpec) -> Iterator[str]:
    headless = spec.type == CLUSTER_IP and spec.cluster_ip == HEADLESS
    if spec.cluster_ip and spec.cluster_ip != HEADLESS:
        for index, text in enumerate(spec.cluster_ips or (spec.cluster_ip,)):
            yield from address_warnings(f"spec.clusterIPs[{index}]", text)
    if headless and spec.load_balancer_ip:
        yield "spec.loadBalancerIP is ignored for headless services"
    if headless and spec.external_ips:
        yield "spec.externalIPs is ignored for headless services"
    if headless and spec.session_affinity != "None":
        yield "spec.SessionAffinity is ignored for headless services"
    for index, text in enumerate(spec.external_ips):
        yield from address_warnings(f"spec.externalIPs[{index}]", text)
    if spec.external_ips and not headless and spec.type != EXTERNAL_NAME:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.load_balancer_ip:
        yield from address_warnings("spec.loadBalancerIP", spec.load_balancer_ip)
    for index, text in enumerate(spec.load_balancer_source_ranges):
        yield from prefix_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)


def _about_the_rest(spec: ServiceSpec) -> Iterator[str]:
    if spec.type == EXTERNAL_NAME and spec.external_ips:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.type != EXTERNAL_NAME and spec.external_name:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.traffic_distribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
