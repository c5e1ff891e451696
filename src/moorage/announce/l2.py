"""What an agent makes of the cluster for its speaker, and of its speaker for the cluster. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from ipaddress import ip_address

from moorage.announce.selection import L2Wish
from moorage.announce.wish import Wanted
from moorage.model.cluster import SYSTEM_NAMESPACE, Node
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.metallb import AnnouncingInterface, ServiceL2Status, ServiceL2StatusStatus
from moorage.model.net import Address
from moorage.model.verbs import Create, Delete, MergePatch, Verb

API_VERSION = "metallb.io/v1beta1"
NODE_LABEL, SERVICE_LABEL, NAMESPACE_LABEL = "metallb.io/node", "metallb.io/service-name", "metallb.io/service-namespace"
"""Source: MetalLB `internal/k8s/controllers/layer2_status_controller.go`."""


def wanted(wishes: Mapping[Address, L2Wish], name: str, fitting: Mapping[Address, tuple[str, ...]]) -> tuple[Wanted, ...]:
    """`fitting` are the interfaces for an address where no advertisement names any."""
    return tuple(
        Wanted(str(address), tuple(wish.nodes), wish.nodes.get(name, ()) or fitting.get(address, ()))
        for address, wish in wishes.items()
    )


def announced(held: Iterable[str], wishes: Mapping[Address, L2Wish], at: Mapping[str, tuple[str, ...]]) -> dict[Key, set[str]]:
    """The Services whose addresses this speaker answers for, and the interfaces; `at` are those of each address."""
    found: dict[Key, set[str]] = {}
    for text in held:
        wish = wishes.get(ip_address(text))
        for service in wish.services if wish is not None else ():
            found.setdefault(service, set()).update(at.get(text, ()))
    return found


def status_name(node: str, service: Key) -> str:
    """A node may write the names that end in its own after the first dot."""
    return f"l2-{blake2b(str(service).encode(), digest_size=8).hexdigest()}.{node}"


def status_verbs(
    node: str, services: Mapping[Key, set[str]], known: Mapping[Key, ServiceL2Status], owner: Node | None = None
) -> list[Verb]:
    """What makes the ServiceL2Status objects of a node say which Services it announces. They go with its Node object."""
    wanted = {Key(SYSTEM_NAMESPACE, status_name(node, service)): service for service in services}
    verbs: list[Verb] = [Delete(ServiceL2Status, key) for key in sorted(known.keys() - wanted.keys())]
    for key, service in wanted.items():
        interfaces = tuple(AnnouncingInterface(name) for name in sorted(services[service]))
        status = ServiceL2StatusStatus(node, service.name, service.namespace, interfaces)
        if key not in known:
            verbs.append(Create(_status(key, node, service, owner)))
        if key not in known or known[key].status != status:
            verbs.append(MergePatch(ServiceL2Status, key, {"status": _tree(status)}, "status"))
    return verbs


def _status(key: Key, node: str, service: Key, owner: Node | None) -> ServiceL2Status:
    labels = {NODE_LABEL: node, SERVICE_LABEL: service.name, NAMESPACE_LABEL: service.namespace}
    labels = {name: value for name, value in labels.items() if len(value) <= 63}
    owners = () if owner is None else (OwnerReference("v1", "Node", owner.metadata.name, owner.metadata.uid),)
    meta = ObjectMeta(name=key.name, namespace=key.namespace, labels=labels, owner_references=owners)
    return ServiceL2Status(api_version=API_VERSION, kind="ServiceL2Status", metadata=meta)


def _tree(status: ServiceL2StatusStatus) -> dict[str, object]:
    return {
        "node": status.node,
        "serviceName": status.service_name,
        "serviceNamespace": status.service_namespace,
        "interfaces": [{"name": each.name} for each in status.interfaces],
    }
