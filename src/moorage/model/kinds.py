"""The table of kinds. A kind is one row here plus its strategy in `registry` and its columns in `api`."""

from __future__ import annotations

from moorage.model.cluster import Event, Lease, Namespace, Node
from moorage.model.endpoints import Endpoints
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Object
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.service_cidrs import IPAddress, ServiceCIDR
from moorage.model.slices import EndpointSlice
from moorage.model.wire import ApiType


class Kind(ApiType, frozen=True):
    """`plural` is the word in the URL; `subresources` are those that are served (`status`, `binding`)."""

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

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name that is unique among kinds and stable across versions: `endpointslices.discovery.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

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
    group="metallb.io",
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
)

BY_TYPE: dict[type[Object], Kind] = {kind.type: kind for kind in KINDS}
BY_RESOURCE: dict[str, Kind] = {kind.resource: kind for kind in KINDS}
