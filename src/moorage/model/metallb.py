"""How load-balancer addresses are announced, in MetalLB's words: `metallb.io` v1beta1, BGPPeer v1beta2.

Source: MetalLB `api/v1beta1` and `api/v1beta2`. The pools are in `model.lb`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.meta import Object
from moorage.model.selectors import Operator, Requirement
from moorage.model.wire import ApiType

METALLB_NAMESPACE = "metallb-system"
"""Where MetalLB's own manifests keep its objects, and the Secrets that these name."""


class LabelRequirement(ApiType, frozen=True):
    """One of `matchExpressions`: the operator is In, NotIn, Exists or DoesNotExist."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


_OPERATORS = {"In": Operator.IN, "NotIn": Operator.NOT_IN, "Exists": Operator.EXISTS, "DoesNotExist": Operator.ABSENT}


class LabelSelector(ApiType, frozen=True):
    """`metav1.LabelSelector`: all of both must hold; an empty one matches everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """An operator that is none matches nothing."""
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(
            Requirement(each.key, _OPERATORS.get(each.operator, Operator.IN), each.values).matches(labels)
            for each in self.match_expressions
        )


class L2AdvertisementSpec(ApiType, frozen=True):
    """No pool named or selected means all pools; no node selector means all nodes."""

    ip_address_pools: tuple[str, ...] = ()
    ip_address_pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class L2Advertisement(Object, frozen=True):
    spec: L2AdvertisementSpec = L2AdvertisementSpec()


class BGPAdvertisementSpec(ApiType, frozen=True):
    """Addresses are announced as prefixes of the aggregation length, which defaults to single addresses: 32 and 128."""

    aggregation_length: int | None = None
    aggregation_length_v6: int | None = None
    local_pref: int = 0
    communities: tuple[str, ...] = ()
    ip_address_pools: tuple[str, ...] = ()
    ip_address_pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class BGPAdvertisement(Object, frozen=True):
    spec: BGPAdvertisementSpec = BGPAdvertisementSpec()


class CommunityAlias(ApiType, frozen=True):
    """`value` is `16bit:16bit` (RFC 1997) or `large:32bit:32bit:32bit` (RFC 8092)."""

    name: str = ""
    value: str = ""


class CommunitySpec(ApiType, frozen=True):
    communities: tuple[CommunityAlias, ...] = ()


class Community(Object, frozen=True):
    spec: CommunitySpec = CommunitySpec()


class BFDProfileSpec(ApiType, frozen=True):
    """Intervals in milliseconds."""

    receive_interval: int | None = None
    transmit_interval: int | None = None
    detect_multiplier: int | None = None
    echo_interval: int | None = None
    echo_mode: bool | None = None
    passive_mode: bool | None = None
    minimum_ttl: int | None = None


class BFDProfile(Object, frozen=True):
    spec: BFDProfileSpec = BFDProfileSpec()


class SecretReference(ApiType, frozen=True):
    name: str = ""
    namespace: str = ""


class BGPPeerSpec(ApiType, frozen=True):
    """Times are Go durations (`90s`, `1m30s`). Of `peer_asn` and `dynamic_asn`, and of `peer_address` and `interface`, one."""

    my_asn: int = msgspec.field(default=0, name="myASN")
    peer_asn: int = msgspec.field(default=0, name="peerASN")
    dynamic_asn: str = msgspec.field(default="", name="dynamicASN")
    peer_address: str = ""
    interface: str = ""
    source_address: str = ""
    peer_port: int = 0
    hold_time: str | None = None
    keepalive_time: str | None = None
    connect_time: str | None = None
    router_id: str = ""
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = ""
    password_secret: SecretReference = SecretReference()
    bfd_profile: str = ""
    enable_graceful_restart: bool = False
    ebgp_multi_hop: bool = False
    vrf: str = ""
    disable_mp: bool = msgspec.field(default=False, name="disableMP")
    dual_stack_address_family: bool = False
    local_asn: int = msgspec.field(default=0, name="localASN")


class BGPPeer(Object, frozen=True):
    spec: BGPPeerSpec = BGPPeerSpec()


class AnnouncingInterface(ApiType, frozen=True):
    name: str = ""


class ServiceL2StatusStatus(ApiType, frozen=True):
    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    interfaces: tuple[AnnouncingInterface, ...] = ()


class ServiceL2Status(Object, frozen=True):
    """Which node answers for the address of a Service, and on which interfaces."""

    status: ServiceL2StatusStatus = ServiceL2StatusStatus()


class ServiceBGPStatusStatus(ApiType, frozen=True):
    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    peers: tuple[str, ...] = ()


class ServiceBGPStatus(Object, frozen=True):
    """To which peers a node announces the address of a Service."""

    status: ServiceBGPStatusStatus = ServiceBGPStatusStatus()
