"""What the API holds in the BGP lab: nodes, a Service with its endpoints, a pool, peers and advertisements."""

from __future__ import annotations

from collections.abc import Iterator

from moorage.model.cluster import Namespace, Node, NodeAddress, NodeSpec, NodeStatus
from moorage.model.config import Secret
from moorage.model.lb import IPAddressPool, IPAddressPoolSpec
from moorage.model.meta import Object, ObjectMeta
from moorage.model.metallb import (
    BFDProfile,
    BFDProfileSpec,
    BGPAdvertisement,
    BGPAdvertisementSpec,
    BGPPeer,
    BGPPeerSpec,
    Community,
    CommunityAlias,
    CommunitySpec,
    LabelSelector,
    SecretReference,
)
from moorage.model.net import Family
from moorage.model.service import (
    PROVIDER_ANNOTATION,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from moorage.model.slices import SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointPort, EndpointSlice

NAMESPACE = "metallb-system"
NODES = ("one", "two")
VIPS = {Family.IPV4: "203.0.113.1", Family.IPV6: "2001:db8:ffff::1"}
BIRD_PASSWORD = "top of 'the' rack"


def objects() -> tuple[Object, ...]:
    return (
        Namespace(api_version="v1", kind="Namespace", metadata=ObjectMeta(name=NAMESPACE)),
        *(_node(number, name) for number, name in enumerate(NODES, start=1)),
        *_announcements(),
        _service(),
        *(slice_(family, *NODES) for family in Family),
    )


def _node(number: int, name: str) -> Node:
    addresses = (f"198.18.{number}.11", f"2001:db8:{number}::11")
    return Node(
        api_version="v1",
        kind="Node",
        metadata=ObjectMeta(name=name, labels={"rack": name}),
        spec=NodeSpec(pod_cidr=f"10.244.{number}.0/24", pod_cidrs=(f"10.244.{number}.0/24", f"fd00:244:{number}::/64")),
        status=NodeStatus(addresses=tuple(NodeAddress(type="InternalIP", address=each) for each in addresses)),
    )


def _service() -> Service:
    spec = ServiceSpec(
        type="LoadBalancer",
        external_traffic_policy="Local",
        ip_family_policy="RequireDualStack",
        ip_families=("IPv4", "IPv6"),
        ports=(ServicePort(name="http", protocol="TCP", port=80, target_port=8080),),
    )
    ingress = tuple(LoadBalancerIngress(ip=each) for each in VIPS.values())
    return Service(
        api_version="v1",
        kind="Service",
        metadata=ObjectMeta(name="web", namespace="default", annotations={PROVIDER_ANNOTATION: "announce"}),
        spec=spec,
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)),
    )


def slice_(family: Family, *ready: str) -> EndpointSlice:
    """The backends of all nodes, of which some are ready."""
    texts = {"one": ("10.244.1.2", "fd00:244:1::2"), "two": ("10.244.2.2", "fd00:244:2::2")}
    endpoints = tuple(
        Endpoint(
            addresses=(texts[name][0 if family is Family.IPV4 else 1],),
            node_name=name,
            conditions=EndpointConditions(ready=name in ready, serving=name in ready, terminating=False),
        )
        for name in NODES
    )
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=ObjectMeta(name=f"web-{family.value.lower()}", namespace="default", labels={SERVICE_NAME_LABEL: "web"}),
        address_type=family.value,
        endpoints=endpoints,
        ports=(EndpointPort(name="http", protocol="TCP", port=8080),),
    )


def _announcements() -> Iterator[Object]:
    def meta(name: str) -> ObjectMeta:
        return ObjectMeta(name=name, namespace=NAMESPACE)

    v1 = "metallb.io/v1beta1"
    addresses = ("203.0.113.0/24", "2001:db8:ffff::/64")
    yield IPAddressPool(api_version=v1, kind="IPAddressPool", metadata=meta("lan"), spec=IPAddressPoolSpec(addresses=addresses))
    for name, password in (("bird", BIRD_PASSWORD), ("wrong", "wrong")):
        yield Secret(
            api_version="v1",
            kind="Secret",
            metadata=meta(name),
            type="kubernetes.io/basic-auth",
            string_data={"username": "", "password": password},
        )
    aliases = CommunitySpec(communities=(CommunityAlias(name="tagged", value="64512:200"),))
    yield Community(api_version=v1, kind="Community", metadata=meta("names"), spec=aliases)
    fast = BFDProfileSpec(receive_interval=100, transmit_interval=100, detect_multiplier=3)
    yield BFDProfile(api_version=v1, kind="BFDProfile", metadata=meta("fast"), spec=fast)
    for number, node in enumerate(NODES, start=1):
        yield peer(f"frr-{node}", node, peer_address=f"198.18.{number}.1", peer_asn=64513, enable_graceful_restart=True)
    bird = {"peer_asn": 64512, "password_secret": SecretReference(name="bird"), "bfd_profile": "fast"}
    yield peer("bird-one", "one", peer_address="198.18.3.1", **bird)
    yield peer("bird-two", "two", peer_address="2001:db8:4::1", router_id="198.18.4.11", **bird)
    for name, more in (
        ("frr", {"peers": ("frr-one", "frr-two"), "communities": ("64512:100", "large:64512:1:2", "tagged")}),
        ("bird", {"peers": ("bird-one", "bird-two"), "local_pref": 200}),
        ("wide", {"peers": ("bird-one",), "aggregation_length": 26, "local_pref": 50}),
    ):
        spec = BGPAdvertisementSpec(**more)
        yield BGPAdvertisement(api_version=v1, kind="BGPAdvertisement", metadata=meta(name), spec=spec)


def peer(name: str, node: str, **more: object) -> BGPPeer:
    selector = LabelSelector(match_labels={"rack": node})
    spec = BGPPeerSpec(
        my_asn=64512,
        hold_time="9s",
        dual_stack_address_family=True,
        node_selectors=(selector,),
        **more,  # type: ignore[arg-type]
    )
    metadata = ObjectMeta(name=name, namespace=NAMESPACE)
    return BGPPeer(api_version="metallb.io/v1beta2", kind="BGPPeer", metadata=metadata, spec=spec)
