from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.control.load_balancers import LoadBalancerController, shown_addresses
from moorage.model.cluster import Namespace
from moorage.model.lb import IPAddressPool, IPAddressPoolStatus, ServiceAllocation
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.snapshot import Changes
from moorage.model.verbs import MergePatch
from moorage.table.ingress import PROXY_ANNOTATION
from tests.control.things import World, address_of, balanced, namespace, pool, service

CLEANUP = "service.kubernetes.io/load-balancer-cleanup"
SMALL = pool("small", "198.18.100.1-198.18.100.2")


def started(*objects: object) -> tuple[World, LoadBalancerController, list[str]]:
    """A settled world and what was said until then."""
    world, controller = World(*objects), LoadBalancerController()  # type: ignore[arg-type]
    return world, controller, world.settle(controller)


def guarded(made: Service, deleted: bool = False, others: tuple[str, ...] = ()) -> Service:
    """With the clean-up finalizer."""
    at = "2026-01-01T00:00:00Z" if deleted else None
    return replace(made, metadata=replace(made.metadata, finalizers=(*others, CLEANUP), deletion_timestamp=at))


def finalizers(world: World, name: str = "a") -> tuple[str, ...]:
    return world.snapshot.all(Service)[Key("default", name)].metadata.finalizers


def addresses(world: World) -> list[str]:
    return [address_of(world, key.name) for key in sorted(world.snapshot.all(Service))]


def test_an_address_from_the_pool() -> None:
    world, _, said = started(SMALL, balanced("a"), service("plain"))
    assert address_of(world, "a") == "198.18.100.1"
    assert address_of(world, "plain") == ""
    assert said == ['IPAllocated: Assigned IP ["198.18.100.1"]']
    [ingress] = world.snapshot.all(Service)[Key("default", "a")].status.load_balancer.ingress
    assert ingress.ip_mode == "VIP"


def test_a_service_with_the_proxy_protocol_is_reached_through_the_load_balancer_alone() -> None:
    """Its `ipMode` follows the annotation; the address stays."""
    world, controller, _ = started(SMALL, balanced("a"))

    def mode() -> tuple[str, str | None]:
        [ingress] = world.snapshot.all(Service)[Key("default", "a")].status.load_balancer.ingress
        return ingress.ip, ingress.ip_mode

    for said, wanted in (({PROXY_ANNOTATION: "v2"}, "Proxy"), ({PROXY_ANNOTATION: "v1"}, "VIP"), ({}, "VIP")):
        of = world.snapshot.all(Service)[Key("default", "a")]
        world.put(replace(of, metadata=replace(of.metadata, annotations=said)))
        world.settle(controller)
        assert mode() == ("198.18.100.1", wanted)


def test_the_write_is_guarded_by_the_version_it_was_decided_from() -> None:
    world = World(SMALL, guarded(balanced("a")))
    world.look(LoadBalancerController())
    patch = world.verbs[0]
    assert isinstance(patch, MergePatch)
    assert (patch.subresource, patch.patch["metadata"]["resourceVersion"]) == ("status", "2")


def test_nothing_is_written_or_said_twice() -> None:
    world, controller, _ = started(SMALL, balanced("a"), balanced("b"), balanced("c"))
    world.put(world.snapshot.all(Service)[Key("default", "c")])
    assert world.look(controller).verbs == ()
    assert world.look(controller).verbs == ()
    restarted = World()
    restarted.snapshot = world.snapshot
    assert restarted.look(LoadBalancerController()).verbs[:-1] == (), "a restart keeps addresses and repeats only what is wrong"
    assert [each.split(":")[0] for each in restarted.notes] == ["PoolExhausted"]


def test_no_address_is_handed_out_twice_before_it_shows() -> None:
    world, controller = World(SMALL, guarded(balanced("a"))), LoadBalancerController()
    first = world.look(controller)
    world.put(guarded(balanced("b")))
    second = world.look(controller)
    world.perform(first)
    world.perform(second)
    assert addresses(world) == ["198.18.100.1", "198.18.100.2"]


def test_a_write_that_failed_frees_its_address_and_is_made_again() -> None:
    world, controller = World(SMALL, balanced("a")), LoadBalancerController()
    lost = world.look(controller, now=0)
    controller.failed(lost.verbs)
    world.settle(controller, now=2)
    assert addresses(world) == ["198.18.100.1"]


def test_who_is_left_waits_until_an_address_is_free() -> None:
    world, controller, said = started(SMALL, balanced("a"), balanced("b"), balanced("c"))
    assert addresses(world) == ["198.18.100.1", "198.18.100.2", ""]
    assert said[0] == (
        'PoolExhausted: no free IPv4 address in IPAddressPool "small": add addresses to it, or delete a LoadBalancer Service'
    )
    world.remove(Service, "a")
    assert world.settle(controller) == ['IPAllocated: Assigned IP ["198.18.100.1"]']
    assert address_of(world, "c") == "198.18.100.1"


def test_a_service_of_another_type_gives_its_address_back() -> None:
    world, controller, _ = started(SMALL, balanced("a"), balanced("b"), balanced("c"))
    world.put(service("b"))
    world.settle(controller)
    assert address_of(world, "c") == "198.18.100.2"


def test_without_a_pool_and_with_the_first_one() -> None:
    world, controller, said = started(balanced("a"))
    assert said == ["NoPool: there is no IPAddressPool: create one (metallb.io/v1beta1)"]
    world.put(SMALL)
    world.settle(controller)
    assert address_of(world, "a") == "198.18.100.1"


def test_a_pool_that_shrinks_moves_its_services() -> None:
    world, controller, _ = started(SMALL, balanced("a"))
    world.put(pool("small", "198.18.100.9/32"))
    assert world.settle(controller) == [
        'AddressRevoked: Took back IP ["198.18.100.1"]: 198.18.100.1 is in no IPAddressPool',
        'IPAllocated: Assigned IP ["198.18.100.9"]',
    ]
    assert address_of(world, "a") == "198.18.100.9"
    world.remove(IPAddressPool, "small", "metallb-system")
    assert world.settle(controller) == [
        'AddressRevoked: Took back IP ["198.18.100.9"]: 198.18.100.9 is in no IPAddressPool',
        "NoPool: there is no IPAddressPool: create one (metallb.io/v1beta1)",
    ]
    assert address_of(world, "a") == ""


def test_of_two_that_show_one_address_the_older_keeps_it() -> None:
    world, _, _ = started(SMALL, balanced("z", shows="198.18.100.1"), balanced("a", shows="198.18.100.1"))
    assert addresses(world) == ["198.18.100.2", "198.18.100.1"]


def test_other_classes_are_not_touched_but_their_addresses_are_taken() -> None:
    other = balanced("a", shows="198.18.100.1", load_balancer_class="example.com/other")
    world, _, said = started(
        SMALL,
        other,
        balanced("b", load_balancer_class="example.com/other"),
        balanced("c", load_balancer_class="moorage.dev/edge"),
    )
    assert addresses(world) == ["198.18.100.1", "", "198.18.100.2"]
    assert said == ['IPAllocated: Assigned IP ["198.18.100.2"]']


def test_pools_count_what_they_gave() -> None:
    world, controller, _ = started(SMALL, pool("six", "fd00::/64"), pool("huge", "fd01::/32"), balanced("a"))

    def status(name: str) -> IPAddressPoolStatus:
        return world.snapshot.all(IPAddressPool)[Key("metallb-system", name)].status

    assert status("small") == IPAddressPoolStatus(assigned_ipv4=1, available_ipv4=1)
    assert status("huge") == IPAddressPoolStatus(available_ipv6=0)
    world.remove(Service, "a")
    world.settle(controller)
    assert status("small") == IPAddressPoolStatus(available_ipv4=2)


def test_a_pool_that_cannot_be_read_is_named_once() -> None:
    world, controller, said = started(pool("bad", "nonsense"), SMALL, balanced("a"))
    assert said[0] == 'InvalidObject: spec.addresses: invalid CIDR "nonsense"'
    world.put(balanced("b"))
    assert world.settle(controller) == ['IPAllocated: Assigned IP ["198.18.100.2"]']


def test_without_a_load_balancer_the_address_stays_pending_and_an_event_says_why() -> None:
    world, controller = World(SMALL, balanced("a"), balanced("b", shows="198.18.100.1")), LoadBalancerController("none")
    said = [
        "NoLoadBalancer: no load balancer runs here, so the address stays pending: use the Service's NodePort, "
        "or start with `--load-balancer edge` or `announce`"
    ]
    assert world.settle(controller) == said
    assert addresses(world) == ["", "198.18.100.1"]
    world.put(balanced("a", annotations={"x": "y"}))
    assert world.settle(controller) == []


def notes_on(world: World, name: str) -> dict[str, str]:
    return world.snapshot.all(Service)[Key("default", name)].metadata.annotations


def test_who_serves_an_address_and_its_pool_are_written_with_it() -> None:
    world = World(SMALL, balanced("a"), balanced("b", load_balancer_class="moorage.dev/announce"))
    controller = LoadBalancerController("announce")
    world.settle(controller)
    from_pool = {"metallb.io/ip-allocated-from-pool": "small"}
    assert notes_on(world, "a") == {"moorage.dev/load-balancer": "announce", **from_pool}
    assert notes_on(world, "b") == from_pool
    world.settle(LoadBalancerController("edge"))
    assert notes_on(world, "a")["moorage.dev/load-balancer"] == "announce", "what is decided stays"
    world.remove(IPAddressPool, "small", "metallb-system")
    world.settle(controller)
    assert notes_on(world, "a") == {"moorage.dev/load-balancer": "announce"}


def test_an_address_from_before_there_were_annotations_gets_them() -> None:
    world, _, _ = started(SMALL, balanced("a", shows="198.18.100.1", annotations={"moorage.dev/load-balancer": "cloud"}))
    assert notes_on(world, "a")["moorage.dev/load-balancer"] == "edge"


def test_without_a_default_those_that_name_a_load_balancer_get_their_address() -> None:
    world = World(
        SMALL,
        balanced("a", load_balancer_class="moorage.dev/edge"),
        balanced("b", annotations={"moorage.dev/load-balancer": "announce"}),
        balanced("c"),
    )
    world.settle(LoadBalancerController("none"))
    assert addresses(world) == ["198.18.100.1", "198.18.100.2", ""]


def test_a_service_that_is_being_deleted_gets_none() -> None:
    ending = balanced("a")
    ending = replace(ending, metadata=replace(ending.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    world, _, said = started(SMALL, ending)
    assert (addresses(world), said) == ([""], [])


def test_the_finalizer_is_there_before_the_address() -> None:
    """Upstream's service controller: addFinalizer, then EnsureLoadBalancer, then patchStatus."""
    world, controller = World(SMALL, balanced("a"), service("plain")), LoadBalancerController()
    world.run(controller)
    [patch] = [each for each in world.verbs if isinstance(each, MergePatch) and each.type is Service]
    assert (patch.subresource, patch.patch) == ("status", {"metadata": {"resourceVersion": "2", "finalizers": [CLEANUP]}})
    world.settle(controller)
    assert (finalizers(world), address_of(world, "a"), finalizers(world, "plain")) == ((CLEANUP,), "198.18.100.1", ())


def test_a_service_that_waits_for_an_address_has_no_finalizer_yet() -> None:
    world, _, _ = started(balanced("a"))
    assert finalizers(world) == ()


def test_an_address_from_before_there_was_a_finalizer_gets_one() -> None:
    world, _, _ = started(SMALL, balanced("a", shows="198.18.100.1"))
    assert (finalizers(world), address_of(world, "a")) == ((CLEANUP,), "198.18.100.1")


@pytest.mark.parametrize("provider", ["edge", "none"])
def test_a_deleted_service_gives_its_address_back_before_it_goes(provider: str) -> None:
    ending = guarded(balanced("a", shows="198.18.100.1"), deleted=True, others=("example.com/other",))
    world, controller = World(SMALL, ending, balanced("b", load_balancer_ip="198.18.100.1")), LoadBalancerController(provider)
    world.run(controller)
    assert (finalizers(world), address_of(world, "a")) == (("example.com/other", CLEANUP), "")
    world.settle(controller)
    assert finalizers(world) == ("example.com/other",)
    assert address_of(world, "b") == ("198.18.100.1" if provider == "edge" else "")


def test_a_service_that_is_no_load_balancer_any_more_loses_the_finalizer() -> None:
    world, controller, _ = started(SMALL, balanced("a"))
    world.put(guarded(service("a")))
    world.settle(controller)
    assert finalizers(world) == ()
    world.put(balanced("a"))
    world.settle(controller)
    assert finalizers(world) == (CLEANUP,)


def test_the_finalizer_of_another_class_is_not_ours_to_remove() -> None:
    other = guarded(balanced("a", shows="198.18.100.1", load_balancer_class="example.com/other"), deleted=True)
    world, _, _ = started(SMALL, other)
    assert (finalizers(world), address_of(world, "a")) == ((CLEANUP,), "198.18.100.1")


def test_a_clean_up_that_failed_is_made_again() -> None:
    world, controller = World(SMALL, guarded(balanced("a"), deleted=True)), LoadBalancerController()
    lost = world.look(controller, now=0)
    controller.failed(lost.verbs)
    world.settle(controller, now=2)
    assert finalizers(world) == ()


def test_a_namespace_that_gets_a_label_opens_a_pool() -> None:
    only = ServiceAllocation(namespace_selectors=({"matchLabels": {"tier": "gold"}},))
    world, controller, said = started(pool("gold", "198.18.100.1/32", allocation=only), namespace("default"), balanced("a"))
    assert said == [
        "NoPool: no IPAddressPool gives addresses to this Service: see autoAssign and serviceAllocation of the pools"
    ]
    world.put(namespace("default", tier="gold"))
    world.settle(controller)
    assert address_of(world, "a") == "198.18.100.1"
    world.remove(Namespace, "default", "")
    world.settle(controller)
    assert address_of(world, "a") == ""


steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 5), st.sampled_from(["", "198.18.100.1", "198.18.100.3"])),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("plain"), st.integers(0, 5)),
    st.tuples(st.just("pool"), st.sampled_from(["198.18.100.1-198.18.100.3", "198.18.100.2-198.18.100.4", "198.18.100.9/32"])),
    st.tuples(st.just("look")),
    st.tuples(st.just("restart")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=20))
def test_no_address_has_two_services_whatever_happened(history: list[tuple[object, ...]]) -> None:
    world, controller = World(pool("p", "198.18.100.1-198.18.100.3")), LoadBalancerController()
    for step in history:
        match step:
            case ("put", number, wanted):
                old = world.snapshot.get(Service, Key("default", f"s{number}"))
                made = balanced(f"s{number}", load_balancer_ip=wanted)
                world.put(replace(made, status=old.status) if old is not None else made)
            case ("remove", number):
                world.remove(Service, f"s{number}")
            case ("plain", number):
                world.put(service(f"s{number}"))
            case ("pool", text):
                world.put(pool("p", str(text)))
            case ("restart",):
                controller = LoadBalancerController()
                world._changes = Changes(everything=True)
            case _:
                world.run(controller)
                held = [each for one in world.snapshot.all(Service).values() for each in shown_addresses(one)]
                assert len(held) == len(set(held))
    world.settle(controller)
    held = [each for one in world.snapshot.all(Service).values() for each in shown_addresses(one)]
    assert len(held) == len(set(held))
    counts = world.snapshot.all(IPAddressPool)[Key("metallb-system", "p")].status
    assert counts.assigned_ipv4 == len(held)


@pytest.mark.parametrize("shows", ["not an address", ""])
def test_what_is_no_address_is_not_shown(shows: str) -> None:
    assert shown_addresses(balanced("a", shows=shows)) == ()
