"""`networking.k8s.io/v1` ServiceCIDR and IPAddress (KEP-1880): where ClusterIPs come from, and who has which."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.model.meta import Object
from moorage.model.wire import ApiType

DEFAULT_SERVICE_CIDR = "kubernetes"
"""The name of the ServiceCIDR that the server makes from its settings."""

SERVICE_CIDR_FINALIZER = "networking.k8s.io/service-cidr-finalizer"
"""Keeps a ServiceCIDR that is being deleted until no address depends on it."""

FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
ADDRESS_MANAGED_BY_LABEL = "ipaddress.kubernetes.io/managed-by"
ADDRESS_MANAGER = "ipallocator.k8s.io"
"""The value of that label on every IPAddress that the server keeps for a Service."""

READY = "Ready"
TERMINATING = "Terminating"


class ServiceCIDRCondition(ApiType, frozen=True):
    """`metav1.Condition`. Clients take `reason` and `message` for required, so an empty text is written out; None is absent."""

    type: str = ""
    status: str = ""
    observed_generation: int = 0
    last_transition_time: str | None = None
    reason: str | None = None
    message: str | None = None


class ServiceCIDRSpec(ApiType, frozen=True):
    """One prefix, or one of each family."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(ApiType, frozen=True):
    conditions: tuple[ServiceCIDRCondition, ...] = ()


class ServiceCIDR(Object, frozen=True):
    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()


class ParentReference(ApiType, frozen=True):
    """What an address is for. The group of Services is empty."""

    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class IPAddressSpec(ApiType, frozen=True):
    parent_ref: ParentReference | None = None


class IPAddress(Object, frozen=True):
    """`metadata.name` is the address in its canonical text."""

    spec: IPAddressSpec = IPAddressSpec()


def ready(conditions: Sequence[ServiceCIDRCondition]) -> bool:
    """A ServiceCIDR that nobody judged counts as ready."""
    return all(each.status == "True" for each in conditions if each.type == READY)
