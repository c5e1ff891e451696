"""What every cluster has from its first moment: namespaces, the ranges of ClusterIPs, and the Service by which Pods reach
the API.

Run at each start of the server: what exists is left as it is, but the `kubernetes` endpoints follow the advertised address, and
the `kubernetes` ServiceCIDR gets a second family when the settings have one.
"""

from __future__ import annotations

import ipaddress

import structlog

from moorage.manifest.convert import to_tree
from moorage.model.cluster import NODE_LEASE_NAMESPACE, SYSTEM_NAMESPACE
from moorage.model.endpoints import SKIP_MIRROR_LABEL
from moorage.model.errors import ApiError
from moorage.model.kinds import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICE_CIDRS, SERVICES, Kind
from moorage.model.meta import Key
from moorage.model.net import Family, parse_address
from moorage.model.ports import DeleteOptions, Resources, WriteOptions
from moorage.model.service_cidrs import DEFAULT_SERVICE_CIDR
from moorage.model.slices import MANAGED_BY_LABEL, SERVICE_NAME_LABEL
from moorage.model.wire import Tree

log = structlog.get_logger()

BOOTSTRAP_NAMESPACES = ("default", "kube-system", "kube-public", NODE_LEASE_NAMESPACE, SYSTEM_NAMESPACE)

API_SERVICE = Key("default", "kubernetes")
API_SERVICE_PORT = 443

_OPTIONS = WriteOptions(manager="moorage-server")


def api_service_address(service_cidr: str) -> str:
    """The first address of the primary Service range, which the `kubernetes` Service has."""
    return str(ipaddress.ip_network(_cidrs(service_cidr)[0])[1])


async def bootstrap(resources: Resources, service_cidr: str, host: str, port: int) -> None:
    """`service_cidr` is as in RegistrySettings; `host` and `port` are where Pods reach the API. Raises ApiError where the state
    does not allow it.

    A host that is no address, or one that only this machine can reach, is no endpoint: the Service then has none.
    """
    for name in BOOTSTRAP_NAMESPACES:
        await _ensure(resources, NAMESPACES, "", {"metadata": {"name": name}})
    await _ensure_ranges(resources, _cidrs(service_cidr))
    await _ensure(resources, SERVICES, API_SERVICE.namespace, _service(service_cidr, port))
    address = parse_address(host)
    if address is None or address.is_loopback or address.is_unspecified:
        await _remove_endpoints(resources)
        return
    for kind, wanted in ((ENDPOINT_SLICES, _slice(host, Family.of(address), port)), (ENDPOINTS, _endpoints(host, port))):
        if not await _ensure(resources, kind, API_SERVICE.namespace, wanted):
            await resources.update(kind, API_SERVICE, wanted, _OPTIONS)


async def _ensure(resources: Resources, kind: Kind, namespace: str, tree: Tree) -> bool:
    """Whether the object was made just now."""
    try:
        await resources.create(kind, namespace, tree, _OPTIONS)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


def _cidrs(service_cidr: str) -> list[str]:
    """One or two, in canonical form."""
    return [str(ipaddress.ip_network(each.strip())) for each in service_cidr.split(",")]


async def _ensure_ranges(resources: Resources, cidrs: list[str]) -> None:
    """Source: `pkg/controlplane/controller/defaultservicecidr`: what the object says counts, not what the settings say."""
    tree: Tree = {"metadata": {"name": DEFAULT_SERVICE_CIDR}, "spec": {"cidrs": cidrs}}
    if await _ensure(resources, SERVICE_CIDRS, "", tree):
        return
    key = Key("", DEFAULT_SERVICE_CIDR)
    known = to_tree(resources.get(SERVICE_CIDRS, key).body)["spec"]["cidrs"]
    if len(known) == 1 and known == cidrs[:1] and len(cidrs) == 2:
        await resources.update(SERVICE_CIDRS, key, tree, _OPTIONS)
    elif known != cidrs:
        log.warning(
            "the ServiceCIDR is not what the settings say: ClusterIPs come from the ServiceCIDR", known=known, set=cidrs
        )


async def _remove_endpoints(resources: Resources) -> None:
    for kind in (ENDPOINT_SLICES, ENDPOINTS):
        try:
            await resources.delete(kind, API_SERVICE, DeleteOptions())
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def _service(service_cidr: str, port: int) -> Tree:
    return {
        "metadata": {"name": API_SERVICE.name, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": api_service_address(service_cidr),
            "ports": [{"name": "https", "port": API_SERVICE_PORT, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _slice(host: str, family: Family, port: int) -> Tree:
    return {
        "metadata": {
            "name": API_SERVICE.name,
            "namespace": API_SERVICE.namespace,
            "labels": {SERVICE_NAME_LABEL: API_SERVICE.name, MANAGED_BY_LABEL: "moorage-server"},
        },
        "addressType": family.value,
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def _endpoints(host: str, port: int) -> Tree:
    """The slice says the same already: it need not be mirrored."""
    subset = {"addresses": [{"ip": host}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}
    return {
        "metadata": {"name": API_SERVICE.name, "namespace": API_SERVICE.namespace, "labels": {SKIP_MIRROR_LABEL: "true"}},
        "subsets": [subset],
    }
