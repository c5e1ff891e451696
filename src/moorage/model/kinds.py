"""The table of kinds. A kind is one row here plus its strategy in `registry` and its columns in `api`."""

from __future__ import annotations

from moorage.model.cluster import Event, Lease, Namespace, Node
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.endpoints import Endpoints
from moorage.model.event_v1 import EventV1
from moorage.model.ingress import Ingress, IngressClass
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Object
from moorage.model.metallb import (
    BFDProfile,
    BGPAdvertisement,
    BGPPeer,
    Community,
    L2Advertisement,
    ServiceBGPStatus,
    ServiceL2Status,
)
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.service_cidrs import IPAddress, ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.wire import ApiType

METALLB_GROUP = "metallb.io"


class Kind(ApiType, frozen=True):
    """`plural` is the word in the URL; `subresources` are those that are served (`status`, `binding`, `token`).

    `form_of` names the resource whose objects these are in another form; it is empty for what is stored itself.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    type: type[Object]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    form_of: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name that is unique among kinds and stable across versions: `endpointslices.discovery.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def is_custom(self) -> bool:
        """Whether it comes with a CustomResourceDefinition, which a cluster may not have."""
        return self.group == METALLB_GROUP

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"


def _core(kind: str, plural: str, type_: type[Object], **more: object) -> Kind:
    return Kind(
        group="",
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        type=type_,
        **more,  # type: ignore[arg-type]
    )


def _metallb(type_: type[Object], plural: str, version: str = "v1beta1", subresources: tuple[str, ...] = ()) -> Kind:
    return Kind(
        group=METALLB_GROUP,
        version=version,
        kind=type_.__name__,
        plural=plural,
        singular=type_.__name__.lower(),
        namespaced=True,
        type=type_,
        subresources=subresources,
    )


NAMESPACES = _core("Namespace", "namespaces", Namespace, namespaced=False, short_names=("ns",), subresources=("status",))
NODES = _core("Node", "nodes", Node, namespaced=False, short_names=("no",), subresources=("status",))
PODS = _core("Pod", "pods", Pod, namespaced=True, short_names=("po",), categories=("all",), subresources=("status", "binding"))
SERVICES = _core(
    "Service", "services", Service, namespaced=True, short_names=("svc",), categories=("all",), subresources=("status",)
)
EVENTS = _core("Event", "events", Event, namespaced=True, short_names=("ev",))
ENDPOINT_SLICES = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    singular="endpointslice",
    namespaced=True,
    type=EndpointSlice,
)
ENDPOINTS = Kind(
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    namespaced=True,
    type=Endpoints,
    short_names=("ep",),
)
LEASES = Kind(
    group="coordination.k8s.io", version="v1", kind="Lease", plural="leases", singular="lease", namespaced=True, type=Lease
)
IP_ADDRESS_POOLS = Kind(
    group=METALLB_GROUP,
    version="v1beta1",
    kind="IPAddressPool",
    plural="ipaddresspools",
    singular="ipaddresspool",
    namespaced=True,
    type=IPAddressPool,
    subresources=("status",),
)
SERVICE_CIDRS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="ServiceCIDR",
    plural="servicecidrs",
    singular="servicecidr",
    namespaced=False,
    type=ServiceCIDR,
    subresources=("status",),
)
IP_ADDRESSES = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IPAddress",
    plural="ipaddresses",
    singular="ipaddress",
    namespaced=False,
    type=IPAddress,
    short_names=("ip",),
)

CONFIG_MAPS = _core("ConfigMap", "configmaps", ConfigMap, namespaced=True, short_names=("cm",))
SECRETS = _core("Secret", "secrets", Secret, namespaced=True)
SERVICE_ACCOUNTS = _core(
    "ServiceAccount", "serviceaccounts", ServiceAccount, namespaced=True, short_names=("sa",), subresources=("token",)
)
EVENTS_V1 = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    namespaced=True,
    type=EventV1,
    short_names=("ev",),
    form_of="events",
)
INGRESSES = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    singular="ingress",
    namespaced=True,
    type=Ingress,
    short_names=("ing",),
    subresources=("status",),
)
INGRESS_CLASSES = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    singular="ingressclass",
    namespaced=False,
    type=IngressClass,
)
L2_ADVERTISEMENTS = _metallb(L2Advertisement, "l2advertisements")
BGP_ADVERTISEMENTS = _metallb(BGPAdvertisement, "bgpadvertisements")
COMMUNITIES = _metallb(Community, "communities")
BFD_PROFILES = _metallb(BFDProfile, "bfdprofiles")
BGP_PEERS = _metallb(BGPPeer, "bgppeers", "v1beta2")
SERVICE_L2_STATUSES = _metallb(ServiceL2Status, "servicel2statuses", subresources=("status",))
SERVICE_BGP_STATUSES = _metallb(ServiceBGPStatus, "servicebgpstatuses", subresources=("status",))

KINDS: tuple[Kind, ...] = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    EVENTS,
    ENDPOINTS,
    ENDPOINT_SLICES,
    LEASES,
    IP_ADDRESS_POOLS,
    SERVICE_CIDRS,
    IP_ADDRESSES,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    EVENTS_V1,
    INGRESSES,
    INGRESS_CLASSES,
    L2_ADVERTISEMENTS,
    BGP_ADVERTISEMENTS,
    COMMUNITIES,
    BFD_PROFILES,
    BGP_PEERS,
    SERVICE_L2_STATUSES,
    SERVICE_BGP_STATUSES,
)

STORED: tuple[Kind, ...] = tuple(kind for kind in KINDS if not kind.form_of)

BY_TYPE: dict[type[Object], Kind] = {kind.type: kind for kind in KINDS}
BY_NAME: dict[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in KINDS}
BY_RESOURCE: dict[str, Kind] = {kind.resource: kind for kind in KINDS}
