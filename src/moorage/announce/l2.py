"""What an agent makes of the cluster for its speaker, and of its speaker for the cluster. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from moorage.announce.selection import L2Wish
from moorage.announce.statuses import labels, owner
from moorage.announce.wish import Wanted
from moorage.model.announcing import l2_status_name
from moorage.model.cluster import SYSTEM_NAMESPACE, Node
from moorage.model.meta import Key, ObjectMeta
from moorage.model.metallb import AnnouncingInterface, ServiceL2Status, ServiceL2StatusStatus
from moorage.model.net import Address

API_VERSION = "metallb.io/v1beta1"


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


def statuses(name: str, services: Mapping[Key, set[str]], node: Node | None) -> Mapping[Key, ServiceL2Status]:
    """The objects of a node that announces these Services, with the interfaces at which it does."""
    made = {}
    for service, interfaces in services.items():
        status = ServiceL2StatusStatus(
            name, service.name, service.namespace, tuple(map(AnnouncingInterface, sorted(interfaces)))
        )
        meta = ObjectMeta(
            name=l2_status_name(name, service),
            namespace=SYSTEM_NAMESPACE,
            labels=labels(name, service),
            owner_references=() if node is None else (owner(node),),
        )
        obj = ServiceL2Status(api_version=API_VERSION, kind="ServiceL2Status", metadata=meta, status=status)
        made[obj.key] = obj
    return made
