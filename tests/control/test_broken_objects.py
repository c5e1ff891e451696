from __future__ import annotations

from msgspec.structs import replace

from moorage.control.broken_objects import BrokenObjectsController
from moorage.model.meta import ObjectMeta
from moorage.model.service import Service
from moorage.model.slices import SERVICE_NAME_LABEL, Endpoint, EndpointPort, EndpointSlice
from moorage.model.verbs import Note
from tests.control.things import World, service


def slice_(*addresses: str) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name="web-1", namespace="default", labels={SERVICE_NAME_LABEL: "web"}),
        address_type="IPv4",
        ports=(EndpointPort(name="http", port=8080),),
        endpoints=tuple(Endpoint(addresses=(each,)) for each in addresses),
    )


def test_each_broken_thing_is_said_once_about_its_service() -> None:
    world, controller = (
        World(service(external_ips=("300.0.0.1",)), slice_("10.244.0.1", "10.244.0")),
        BrokenObjectsController(),
    )
    said = world.settle(controller)
    assert said == [
        'InvalidObject: spec.externalIPs: "300.0.0.1" is no IP address',
        "InvalidObject: EndpointSlice default/web-1 is left out in part: "
        '1 of its endpoints have no IPv4 address, the first says "10.244.0"',
    ]
    world.put(slice_("10.244.0.2", "10.244.0"))
    assert world.settle(controller) == []


def test_what_comes_again_is_said_again() -> None:
    world, controller = World(service(), slice_("10.244.0")), BrokenObjectsController()
    assert len(world.settle(controller)) == 1
    world.put(slice_("10.244.0.1"))
    assert world.settle(controller) == []
    world.put(slice_("10.244.0"))
    assert len(world.settle(controller)) == 1


def test_of_two_services_with_one_address_the_younger_is_told() -> None:
    world, controller = World(service("web"), service("api")), BrokenObjectsController()
    plan = world.run(controller)
    assert world.notes == ["DuplicateFrontend: 10.96.0.20:80/tcp belongs to the older Service default/web"]
    assert [each.about.key.name for each in plan.verbs if isinstance(each, Note)] == ["api"]
    world.remove(Service, "web")
    assert world.settle(controller) == []


def test_what_is_no_fault_is_not_said() -> None:
    named = service("db", type="ExternalName", external_name="db.example.com", cluster_ip="", ports=())
    headless = service("pods", cluster_ip="None")
    others = service("theirs", labels={"service.kubernetes.io/service-proxy-name": "other"}, cluster_ip="10.96.0.21")
    assert World(named, headless, others).settle(BrokenObjectsController()) == []


def test_many_are_summed_up() -> None:
    world = World(service(external_ips=tuple(f"x{number}" for number in range(9))))
    said = world.settle(BrokenObjectsController())
    assert len(said) == 5
    assert said[-1].endswith("(and 4 more: `moorage explain service` lists them)")


def test_a_deleted_service_is_nobody_to_tell() -> None:
    world, controller = World(service(external_ips=("x",))), BrokenObjectsController()
    assert len(world.settle(controller)) == 1
    world.remove(Service, "web")
    assert world.settle(controller) == []
    world.put(replace(service(), metadata=ObjectMeta(name="web", namespace="default")))
    assert world.settle(controller) == []
