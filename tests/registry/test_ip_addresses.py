"""IPAddress objects follow the allocations of Services, and one made by hand holds its address."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from moorage.model.kinds import IP_ADDRESSES, NAMESPACES, SERVICES
from moorage.model.meta import Key
from moorage.model.service_cidrs import IPAddress
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World, causes, refused

DUAL = RegistrySettings(service_cidr="10.96.0.0/16,fd00:10:96::/112")
PARENT = {"resource": "gateways", "group": "gateway.networking.k8s.io", "namespace": "default", "name": "a"}


def reserve(world: World, name: str = "10.96.0.5", parent: Any = PARENT) -> None:
    world.create(IP_ADDRESSES, {"metadata": {"name": name}, "spec": {"parentRef": parent}})


def recorded(world: World) -> dict[str, str]:
    """Address -> parent, of every IPAddress."""
    found = {}
    for record in world.registry.list(IP_ADDRESSES)[0]:
        tree = msgspec.json.decode(record.body)
        parent = tree["spec"]["parentRef"]
        found[record.key.name] = "/".join(parent[field] for field in ("resource", "namespace", "name"))
    return found


def test_an_address_of_a_service_is_recorded() -> None:
    """Allocator.createIPAddress, serviceToRef."""
    world = World(DUAL)
    service = world.service(ipFamilyPolicy="RequireDualStack", clusterIP="10.96.0.5")
    assert recorded(world) == dict.fromkeys(service.spec.cluster_ips, "services/default/web")
    found = msgspec.json.decode(world.registry.get(IP_ADDRESSES, Key("", "10.96.0.5")).body)
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert found["spec"] == {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}
    other = world.registry.get(IP_ADDRESSES, Key("", service.spec.cluster_ips[1]))
    assert other.labels["ipaddress.kubernetes.io/ip-family"] == "IPv6"


def test_records_follow_the_service() -> None:
    world = World(DUAL)
    first, second = world.service(ipFamilyPolicy="PreferDualStack").spec.cluster_ips
    world.merge(SERVICES, "web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert set(recorded(world)) == {first}
    world.merge(SERVICES, "web", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    assert recorded(world) == {}
    world.merge(SERVICES, "web", {"spec": {"type": "ClusterIP", "clusterIP": second, "ipFamilies": ["IPv6"]}})
    assert set(recorded(world)) == {second}
    world.delete(SERVICES, "web")
    assert recorded(world) == {}


def test_records_go_with_a_namespace_and_none_come_of_a_dry_run() -> None:
    world = World()
    world.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}, dry_run=True)
    assert recorded(world) == {}
    world.create(NAMESPACES, {"metadata": {"name": "team"}})
    world.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}, "team")
    assert list(recorded(world).values()) == ["services/team/web"]
    world.delete(NAMESPACES, "team")
    assert recorded(world) == {}


def test_a_record_in_use_comes_back_at_once() -> None:
    """Upstream's repair makes it again within seconds; here nobody sees the address without one."""
    world = World()
    world.service(clusterIP="10.96.0.5")
    before = world.get(IPAddress, "10.96.0.5").metadata.uid
    assert world.delete(IP_ADDRESSES, "10.96.0.5").deleted
    assert world.get(IPAddress, "10.96.0.5").metadata.uid != before
    assert dict(world.held("clusterip")) == {"10.96.0.5": "default/web"}


def test_a_finalizer_on_a_record_does_not_keep_the_address() -> None:
    world = World()
    world.service(clusterIP="10.96.0.5")
    world.merge(IP_ADDRESSES, "10.96.0.5", {"metadata": {"finalizers": ["example.com/a"]}})
    world.delete(IP_ADDRESSES, "10.96.0.5")
    assert world.get(IPAddress, "10.96.0.5").metadata.deletion_timestamp
    world.merge(IP_ADDRESSES, "10.96.0.5", {"metadata": {"finalizers": None}})
    assert world.get(IPAddress, "10.96.0.5").metadata.deletion_timestamp is None
    world.merge(IP_ADDRESSES, "10.96.0.5", {"metadata": {"finalizers": ["example.com/a"]}})
    world.delete(SERVICES, "web")
    assert recorded(world) == {}
    assert dict(world.held("clusterip")) == {}


def test_an_address_that_somebody_reserved_is_not_given() -> None:
    """createIPAddress: AlreadyExists means allocated."""
    world = World(RegistrySettings(service_cidr="10.96.0.0/30"))
    reserve(world, "10.96.0.1")
    error = refused(world, lambda: world.service(clusterIP="10.96.0.1"), 422)
    assert "failed to allocate IP 10.96.0.1: provided IP is already allocated" in error.message
    assert world.service().spec.cluster_ip == "10.96.0.2"
    refused(world, lambda: world.service("other"), 500)
    world.delete(IP_ADDRESSES, "10.96.0.1")
    assert world.service("other").spec.cluster_ip == "10.96.0.1"


def test_an_address_in_use_cannot_be_reserved() -> None:
    world = World()
    world.service(clusterIP="10.96.0.5")
    assert refused(world, lambda: reserve(world), 409).reason == "AlreadyExists"


def test_records_that_are_missing_are_written() -> None:
    """A database from before there were IPAddress objects: what is held has no record."""
    world = World()
    asyncio.run(world.store.transact(lambda view: view.take("clusterip", "10.96.0.9", "default/old")))
    assert recorded(world) == {}
    assert refused(world, lambda: reserve(world, "10.96.0.9"), 409).reason == "AlreadyExists"
    asyncio.run(world.registry.record_addresses())
    assert recorded(world) == {"10.96.0.9": "services/default/old"}


# ValidateIPAddress, validateIPAddressParentReference
@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        ("web", PARENT, ['metadata.name: Invalid value: "web": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
        ("10.096.0.1", PARENT, ['metadata.name: Invalid value: "10.096.0.1": must not have leading 0s']),
        ("FD00::1", PARENT, ['metadata.name: Invalid value: "FD00::1": must be in canonical form ("fd00::1")']),
        ("::ffff:10.0.0.1", PARENT, ['metadata.name: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address']),
        ("10.96.0.5", None, ["spec.parentRef: Required value"]),
        ("10.96.0.5", {}, ["spec.parentRef.resource: Required value", "spec.parentRef.name: Required value"]),
        (
            "10.96.0.5",
            {"group": "a", "resource": "..", "name": "a/b", "namespace": "a%"},
            [
                "spec.parentRef.resource: Invalid value: \"..\": may not be '..'",
                "spec.parentRef.name: Invalid value: \"a/b\": may not contain '/'",
                "spec.parentRef.namespace: Invalid value: \"a%\": may not contain '%'",
            ],
        ),
    ],
)  # fmt: skip
def test_rules(name: str, parent: Any, expected: list[str]) -> None:
    world = World()
    assert causes(refused(world, lambda: reserve(world, name, parent), 422)) == expected


def test_the_parent_stays() -> None:
    """ValidateIPAddressUpdate."""
    world = World()
    reserve(world)
    error = refused(world, lambda: world.merge(IP_ADDRESSES, "10.96.0.5", {"spec": {"parentRef": {"name": "b"}}}), 422)
    assert [each.split(": ")[0] for each in causes(error)] == ["spec.parentRef"]
    assert error.message.endswith("field is immutable")
    world.merge(IP_ADDRESSES, "10.96.0.5", {"metadata": {"labels": {"a": "b"}}})
    assert world.get(IPAddress, "10.96.0.5").metadata.labels == {"a": "b"}
