from __future__ import annotations

from ipaddress import ip_address

from moorage.announce.l2 import announced, statuses, wanted
from moorage.announce.selection import L2Wish
from moorage.announce.statuses import changes, labels
from moorage.announce.wish import Wanted
from moorage.model.announcing import l2_status_name
from moorage.model.cluster import SYSTEM_NAMESPACE, Node
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.metallb import AnnouncingInterface, ServiceL2StatusStatus
from moorage.model.verbs import MergePatch

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


def test_an_object_for_each_service_that_is_announced() -> None:
    made = statuses("one", {WEB: {"eth1", "eth0"}, DNS: set()}, Node(metadata=ObjectMeta(name="one", uid="u-1")))
    assert set(made) == {Key(SYSTEM_NAMESPACE, l2_status_name("one", each)) for each in (WEB, DNS)}
    web = made[Key(SYSTEM_NAMESPACE, l2_status_name("one", WEB))]
    assert web.key.name.endswith(".one")
    assert web.metadata.labels["metallb.io/service-name"] == "web"
    assert web.metadata.owner_references == (OwnerReference("v1", "Node", "one", "u-1"),)
    assert web.status == ServiceL2StatusStatus(
        "one", "web", "default", (AnnouncingInterface("eth0"), AnnouncingInterface("eth1"))
    )


def test_interfaces_that_are_gone_are_taken_off() -> None:
    """A merge patch leaves alone what it does not name (RFC 7386)."""
    before, after = (statuses("one", {WEB: interfaces}, None) for interfaces in ({"eth0"}, set[str]()))
    (patch,) = changes(before, after)
    assert isinstance(patch, MergePatch)
    assert patch.patch["status"]["interfaces"] is None
    (patch,) = changes(after, before)
    assert isinstance(patch, MergePatch)
    assert patch.patch["status"]["interfaces"] == ({"name": "eth0"},)


def test_a_name_that_is_too_long_is_no_label() -> None:
    assert labels("n" * 64, WEB) == {"metallb.io/service-name": "web", "metallb.io/service-namespace": "default"}
