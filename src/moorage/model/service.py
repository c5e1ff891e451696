"""`core/v1` Service. Field meanings and defaults are those of Kubernetes 1.36."""

from __future__ import annotations

import msgspec

from moorage.model.meta import Object
from moorage.model.wire import ApiType

CLUSTER_IP = "ClusterIP"
NODE_PORT = "NodePort"
LOAD_BALANCER = "LoadBalancer"
EXTERNAL_NAME = "ExternalName"
HEADLESS = "None"
"""The value of `spec.clusterIP` that asks for no virtual address."""

PREFER_CLOSE, PREFER_SAME_ZONE, PREFER_SAME_NODE = "PreferClose", "PreferSameZone", "PreferSameNode"
"""Values of `spec.trafficDistribution` (KEP-4444, KEP-3015); the first is an older word for the second."""


class ServicePort(ApiType, frozen=True):
    """`target_port` 0 means "same as port"; a string names a container port. `node_port` 0 means not allocated."""

    name: str = ""
    protocol: str = ""
    app_protocol: str | None = None
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ClientIPConfig(ApiType, frozen=True):
    timeout_seconds: int | None = None


class SessionAffinityConfig(ApiType, frozen=True):
    client_ip: ClientIPConfig | None = None


class ServiceSpec(ApiType, frozen=True):
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    cluster_ip: str = ""
    cluster_ips: tuple[str, ...] = ()
    type: str = ""
    external_ips: tuple[str, ...] = ()
    session_affinity: str = ""
    load_balancer_ip: str = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    publish_not_ready_addresses: bool = False
    session_affinity_config: SessionAffinityConfig | None = None
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str | None = None
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None


class PortStatus(ApiType, frozen=True):
    port: int = 0
    protocol: str = ""
    error: str | None = None


class LoadBalancerIngress(ApiType, frozen=True):
    """`ip_mode` is KEP-1860: VIP or Proxy, absent where `ip` is."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(ApiType, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceCondition(ApiType, frozen=True):
    """`metav1.Condition`: `reason` and `message` are written also when they are empty, since clients take them for required."""

    type: str = ""
    status: str = ""
    observed_generation: int = 0
    last_transition_time: str | None = None
    reason: str = msgspec.field(default_factory=str)
    message: str = msgspec.field(default_factory=str)


class ServiceStatus(ApiType, frozen=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[ServiceCondition, ...] = ()


class Service(Object, frozen=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


EDGE, ANNOUNCE = "edge", "announce"
"""Who serves a load-balancer address: machines in front of the cluster, or its nodes."""

CLASSES = {"moorage.dev/edge": EDGE, "moorage.dev/announce": ANNOUNCE}
"""The values of `spec.loadBalancerClass` that ask for one of them."""

PROVIDER_ANNOTATION = "moorage.dev/load-balancer"
"""Written together with the addresses onto a Service that has no class: who serves them."""


def provider_of(service: Service) -> str:
    """EDGE, ANNOUNCE, or empty: no load balancer of ours, or not decided yet."""
    if service.spec.type != LOAD_BALANCER:
        return ""
    asked = service.spec.load_balancer_class
    if asked:
        return CLASSES.get(asked, "")
    given = service.metadata.annotations.get(PROVIDER_ANNOTATION, "")
    return given if given in (EDGE, ANNOUNCE) else ""
