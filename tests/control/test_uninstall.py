from __future__ import annotations

from msgspec.structs import replace

from moorage.control.load_balancers import CLEANUP_FINALIZER
from moorage.control.types import Plan
from moorage.control.uninstall import uninstall
from moorage.model.meta import Condition, ObjectMeta
from moorage.model.service import PROVIDER_ANNOTATION, Service
from moorage.model.slices import MANAGED_BY_LABEL, EndpointSlice
from tests.control.things import World, address_of, balanced

OURS = {PROVIDER_ANNOTATION: "announce"}


def guarded(made: Service, *more: str) -> Service:
    return replace(made, metadata=replace(made.metadata, finalizers=(CLEANUP_FINALIZER, *more)))


def settled(world: World) -> None:
    world.perform(Plan(uninstall(world.snapshot)))
    assert uninstall(world.snapshot) == ()


def test_no_finalizer_annotation_or_condition_stays_and_the_address_does() -> None:
    made = guarded(balanced("web", "192.0.2.7", {**OURS, "theirs": "x"}), "example.com/other")
    said = (Condition(type="moorage.dev/AddressAssigned", status="True"), Condition(type="example.com/ok", status="True"))
    world = World(replace(made, status=replace(made.status, conditions=said)))
    settled(world)
    (found,) = world.snapshot.all(Service).values()
    assert found.metadata.finalizers == ("example.com/other",)
    assert found.metadata.annotations == {"theirs": "x"}
    assert [each.type for each in found.status.conditions] == ["example.com/ok"]
    assert address_of(world, "web") == "192.0.2.7"


def test_a_service_of_our_class_is_let_go_too() -> None:
    world = World(guarded(balanced("web", "192.0.2.7", load_balancer_class="moorage.dev/edge")))
    settled(world)
    assert next(iter(world.snapshot.all(Service).values())).metadata.finalizers == ()


def test_what_a_cloud_guards_stays_guarded() -> None:
    clouds = [guarded(balanced("a", "192.0.2.7")), guarded(balanced("b", "192.0.2.8", load_balancer_class="cloud.example/nlb"))]
    assert uninstall(World(*clouds).snapshot) == ()


def test_slices_of_our_dns_go() -> None:
    def slice_(name: str, manager: str) -> EndpointSlice:
        return EndpointSlice(metadata=ObjectMeta(name=name, namespace="kube-system", labels={MANAGED_BY_LABEL: manager}))

    world = World(slice_("ours", "node-dns.moorage.dev"), slice_("theirs", "endpointslice-controller.k8s.io"))
    settled(world)
    assert [key.name for key in world.snapshot.all(EndpointSlice)] == ["theirs"]
