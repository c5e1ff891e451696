"""What a standalone cluster starts with, beyond what every API server has: cluster DNS and a pool of addresses."""

from __future__ import annotations

from moorage.model.cluster import SYSTEM_NAMESPACE
from moorage.model.lb import IPAddressPool, IPAddressPoolSpec
from moorage.model.meta import Object, ObjectMeta
from moorage.model.metallb import L2Advertisement
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.run.local_dns import DNS_NAMESPACE, DNS_SERVICE


def addons(dns_address: str, pool: str | None, announced: bool = False) -> tuple[Object, ...]:
    """In the order in which they must be made. `pool` is a range of load-balancer addresses, None without a load balancer;
    `announced`: the nodes answer for them.
    """
    dns = Service(
        api_version="v1",
        kind="Service",
        metadata=ObjectMeta(
            name=DNS_SERVICE,
            namespace=DNS_NAMESPACE,
            labels={"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        ),
        spec=ServiceSpec(
            cluster_ip=dns_address,
            internal_traffic_policy="Local",
            ports=(
                ServicePort(name="dns", protocol="UDP", port=53),
                ServicePort(name="dns-tcp", protocol="TCP", port=53),
            ),
        ),
    )
    if pool is None:
        return (dns,)
    default = IPAddressPool(
        api_version="metallb.io/v1beta1",
        kind="IPAddressPool",
        metadata=ObjectMeta(name="default", namespace=SYSTEM_NAMESPACE),
        spec=IPAddressPoolSpec(addresses=(pool,)),
    )
    everywhere = L2Advertisement(
        api_version="metallb.io/v1beta1",
        kind="L2Advertisement",
        metadata=ObjectMeta(name="default", namespace=SYSTEM_NAMESPACE),
    )
    return (dns, default, everywhere) if announced else (dns, default)
