from __future__ import annotations

from ipaddress import ip_address

from moorage.announce.l2 import announced, status_name, status_verbs, wanted
from moorage.announce.selection import L2Wish
from moorage.announce.wish import Wanted
from moorage.model.cluster import SYSTEM_NAMESPACE, Node
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.metallb import AnnouncingInterface, ServiceL2Status, ServiceL2StatusStatus
from moorage.model.verbs import Create, Delete, MergePatch

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")
WEB, DNS = Key("default", "web"), Key("kube-system", "dns")
WISHES = {A: L2Wish((WEB, DNS), {"one": (), "two": ("eth7",)}), B: L2Wish((WEB,), {"two": ()})}


def test_interfaces_are_those_of_the_advertisement_else_those_that_fit() -> None:
    fitting = {A: ("eth0",), B: ("eth0", "eth1")}
    assert wanted(WISHES, "one", fitting)[0] == Wanted("192.0.2.1", ("one", "two"), ("eth0",))
    assert wanted(WISHES, "two", fitting) == (
        Wanted("192.0.2.1", ("one", "two"), ("eth7",)),
        Wanted("192.0.2.2", ("two",), ("eth0", "eth1")),
    )


def test_services_that_share_an_address_are_announced_together() -> None:
    at = {"192.0.2.1": ("eth0",), "192.0.2.2": ("eth1",)}
    assert announced(["192.0.2.1", "192.0.2.2"], WISHES, at) == {WEB: {"eth0", "eth1"}, DNS: {"eth0"}}
    assert announced(["192.0.2.9"], WISHES, at) == {}


def status(service: Key, *interfaces: str) -> ServiceL2Status:
    said = ServiceL2StatusStatus("one", service.name, service.namespace, tuple(map(AnnouncingInterface, interfaces)))
    return ServiceL2Status(metadata=ObjectMeta(name=status_name("one", service), namespace=SYSTEM_NAMESPACE), status=said)


def test_statuses_follow_what_is_announced() -> None:
    old, same = status(DNS, "eth0"), status(WEB, "eth0")
    known = {old.key: old, same.key: same}
    assert status_verbs("one", {WEB: {"eth0"}}, known) == [Delete(ServiceL2Status, old.key)]
    (patch,) = status_verbs("one", {WEB: {"eth1"}, DNS: {"eth0"}}, known)
    assert isinstance(patch, MergePatch)
    create, fill = status_verbs("one", {WEB: {"eth0"}}, {}, Node(metadata=ObjectMeta(name="one", uid="u-1")))
    assert isinstance(create, Create)
    assert isinstance(fill, MergePatch)
    assert create.obj.metadata.labels["metallb.io/service-name"] == "web"
    assert fill.patch["status"]["interfaces"] == [{"name": "eth0"}]
    assert create.obj.key.name.endswith(".one")
    assert create.obj.metadata.owner_references == (OwnerReference("v1", "Node", "one", "u-1"),)
