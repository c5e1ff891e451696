from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moorage.api.options import manager_of
from moorage.control.fights import OURS, rival_of
from moorage.control.load_balancers import LoadBalancerController
from moorage.model.kinds import SERVICES
from moorage.model.meta import Key, ManagedFieldsEntry
from moorage.model.service import LoadBalancerIngress, LoadBalancerStatus, Service
from tests.control.things import World, address_of, balanced, pool
from tests.registry.world import World as Registry

SMALL = pool("small", "198.18.100.1-198.18.100.2")


def entry(manager: str, fields: object, time: str = "2026-01-01T00:00:00Z") -> ManagedFieldsEntry:
    raw = msgspec.Raw(msgspec.json.encode(fields))
    return ManagedFieldsEntry(manager=manager, operation="Update", time=time, fields_v1=raw, subresource="status")


STATUS: dict[str, Any] = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}


def overwrite(world: World, shows: str, manager: str = "controller") -> None:
    """What another load balancer does to the Service `a`."""
    old = world.snapshot.all(Service)[Key("default", "a")]
    ingress = (LoadBalancerIngress(ip=shows),) if shows else ()
    meta = replace(old.metadata, managed_fields=(entry(manager, STATUS),))
    world.put(replace(old, metadata=meta, status=replace(old.status, load_balancer=LoadBalancerStatus(ingress=ingress))))


def fight(world: World, controller: LoadBalancerController, times: list[float], shows: str = "192.0.2.1") -> list[str]:
    said = []
    for now in times:
        overwrite(world, shows)
        said += world.settle(controller, now)
    return said


def test_a_service_that_is_overwritten_again_and_again_is_left_to_the_other_one() -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    world.settle(controller)
    fight(world, controller, [1, 2])
    assert address_of(world, "a") == "198.18.100.1"
    [said] = fight(world, controller, [3])
    assert said.startswith(
        'AddressDisputed: controller has overwritten the address ["198.18.100.1"] with ["192.0.2.1"], 3 times within a minute'
    )
    assert address_of(world, "a") == "192.0.2.1"
    assert fight(world, controller, [4, 5, 6, 200]) == []
    assert address_of(world, "a") == "192.0.2.1"


@pytest.mark.parametrize("shows", ["192.0.2.1", ""])
def test_a_change_of_the_service_begins_anew(shows: str) -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    world.settle(controller)
    fight(world, controller, [1, 2, 3], shows)
    assert address_of(world, "a") == shows
    world.edit(balanced("a", load_balancer_class="moorage.dev/edge"))
    world.settle(controller, 4)
    assert address_of(world, "a") == "198.18.100.1"


def test_three_times_in_an_hour_are_no_fight() -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    world.settle(controller)
    fight(world, controller, [0, 1000, 2000, 3000])
    assert address_of(world, "a") == "198.18.100.1"


def test_two_that_agree_do_not_fight() -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    world.settle(controller)
    fight(world, controller, [1, 2, 3, 4], "198.18.100.1")
    fight(world, controller, [5, 6], "198.18.100.2")
    assert address_of(world, "a") == "198.18.100.2", "an address of our pools is kept"


def test_a_left_service_can_be_deleted() -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    world.settle(controller)
    fight(world, controller, [1, 2, 3])
    old = world.snapshot.all(Service)[Key("default", "a")]
    world.put(replace(old, metadata=replace(old.metadata, deletion_timestamp="2026-01-01T00:00:00Z")))
    world.settle(controller, 4)
    assert world.snapshot.all(Service)[Key("default", "a")].metadata.finalizers == ()


def test_the_rival_is_whoever_wrote_the_addresses_last_besides_us() -> None:
    made = balanced("a")
    entries = (
        entry("moorage-controller", STATUS, "2026-01-01T00:00:09Z"),
        entry("old", STATUS, "2026-01-01T00:00:01Z"),
        entry("controller", STATUS, "2026-01-01T00:00:02Z"),
        entry("kubectl", {"f:spec": {}}, "2026-01-01T00:00:03Z"),
        entry("broken", ["?"], "2026-01-01T00:00:04Z"),
        ManagedFieldsEntry(manager="empty"),
    )
    assert rival_of(replace(made, metadata=replace(made.metadata, managed_fields=entries))) == "controller"
    assert rival_of(made) == ""


def test_our_api_server_records_who_wrote_the_status() -> None:
    """By the User-Agent of the writer: `moorage-controller` is ours, `controller` is what MetalLB's is called."""
    world = Registry()
    world.service(type="LoadBalancer", ports=[{"port": 80}])

    def write(address: str, agent: str) -> str:
        tree = msgspec.json.decode(msgspec.json.encode(world.get(Service, "web")))
        tree["status"] = {"loadBalancer": {"ingress": [{"ip": address}]}}
        world.update(SERVICES, "web", tree, "status", manager=manager_of(agent))
        return rival_of(world.get(Service, "web"))

    assert write("198.18.100.1", OURS) == ""
    assert write("192.0.2.1", "controller/v0.15.3 (linux/amd64) metallb") == "controller"
    assert write("198.18.100.1", OURS) == ""
