from __future__ import annotations

from msgspec.structs import replace

from moorage.control.load_balancers import LoadBalancerController
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.service import Service
from tests.control.things import World, address_of, balanced, pool

HOUR = 3600.0
RESERVED, RETENTION, RETAINED = (f"moorage.dev/{each}" for each in ("reservations", "retention", "retained"))


def promising(*addresses: str, name: str = "p", auto: bool | None = None, **annotations: str) -> IPAddressPool:
    made = pool(name, *addresses, auto=auto)
    marks = {f"moorage.dev/{key}": value for key, value in annotations.items()}
    return replace(made, metadata=replace(made.metadata, annotations=marks))


def retained(world: World, name: str = "p") -> str:
    return world.snapshot.all(IPAddressPool)[Key("metallb-system", name)].metadata.annotations.get(RETAINED, "")


def delete(world: World, controller: LoadBalancerController, name: str, now: float = 0.0) -> list[str]:
    """As the API does it: the Service goes when its finalizers are gone."""
    old = world.snapshot.all(Service)[Key("default", name)]
    world.put(replace(old, metadata=replace(old.metadata, deletion_timestamp="2026-01-01T00:00:00Z")))
    said = world.settle(controller, now)
    assert world.snapshot.all(Service)[old.key].metadata.finalizers == ()
    world.remove(Service, name)
    return said + world.settle(controller, now)


def test_a_service_that_is_made_again_has_its_address_again() -> None:
    keeping = promising("198.18.100.1-198.18.100.3", retention="1h")
    world, controller = World(keeping, balanced("a"), balanced("b")), LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "a", now=10)
    assert retained(world) == "default/a=198.18.100.1@1970-01-01T01:00:10Z"
    world.put(balanced("c"))
    world.settle(LoadBalancerController(), now=20)
    assert address_of(world, "c") == "198.18.100.3", "the lowest is kept for `a`, also by a controller that was not there"
    world.put(balanced("a"))
    world.settle(controller, now=30)
    assert (address_of(world, "a"), retained(world)) == ("198.18.100.1", "")


def test_what_is_retained_is_given_up_when_its_time_is_over() -> None:
    world, controller = World(promising("198.18.100.1-198.18.100.2", retention="1h"), balanced("a")), LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "a", now=10)
    assert world.look(controller, now=20).wake_at == HOUR + 10
    world.settle(controller, now=HOUR + 10)
    assert retained(world) == ""


def test_what_is_retained_is_given_up_first_what_ends_first_when_a_pool_is_exhausted() -> None:
    keeping = promising("198.18.100.1-198.18.100.2", retention="1h")
    world, controller = World(keeping, balanced("a"), balanced("b")), LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "b", now=10)
    delete(world, controller, "a", now=20)
    world.put(balanced("c"))
    world.settle(controller, now=30)
    assert (address_of(world, "c"), retained(world)) == ("198.18.100.2", "default/a=198.18.100.1@1970-01-01T01:00:20Z")


def test_another_pool_with_room_is_used_before_what_is_retained() -> None:
    world = World(promising("198.18.100.1/32", name="a", retention="1h"), pool("b", "198.18.100.2/32"), balanced("a"))
    controller = LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "a")
    world.put(balanced("c"))
    world.settle(controller)
    assert address_of(world, "c") == "198.18.100.2"


def test_whoever_asks_for_a_retained_address_gets_it() -> None:
    world, controller = World(promising("198.18.100.1/32", retention="1h"), balanced("a")), LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "a")
    world.put(balanced("c", load_balancer_ip="198.18.100.1"))
    world.settle(controller)
    assert (address_of(world, "c"), retained(world)) == ("198.18.100.1", "")


def test_without_a_retention_nothing_is_kept_and_what_was_is_forgotten() -> None:
    world, controller = World(promising("198.18.100.1/32", retention="1h"), balanced("a")), LoadBalancerController()
    world.settle(controller)
    delete(world, controller, "a")
    old = world.snapshot.all(IPAddressPool)[Key("metallb-system", "p")]
    world.put(replace(old, metadata=replace(old.metadata, annotations={RETAINED: retained(world)})))
    world.settle(controller)
    assert retained(world) == ""


def test_a_pool_remembers_no_more_services_than_it_may() -> None:
    many = ", ".join(f"x/s{number}=198.18.{number // 250}.{number % 250}@2030-01-01T00:00:00Z" for number in range(600))
    world = World(promising("198.18.0.0/16", retention="1h", retained=many))
    world.settle(LoadBalancerController())
    assert retained(world).count("@") == 500


def test_a_reserved_address_is_given_to_its_service_and_to_nobody_else() -> None:
    reserved = promising("198.18.100.1-198.18.100.3", reservations="default/b=198.18.100.1")
    world = World(reserved, balanced("a"), balanced("c", load_balancer_ip="198.18.100.1"))
    controller = LoadBalancerController()
    said = world.settle(controller)
    assert address_of(world, "a") == "198.18.100.2"
    assert said[0] == (
        'AddressReserved: the requested address 198.18.100.1 is reserved for Service default/b in IPAddressPool "p"'
    )
    world.put(balanced("b"))
    world.settle(controller)
    assert address_of(world, "b") == "198.18.100.1"


def test_a_reservation_holds_in_a_pool_that_gives_nothing_by_itself_and_when_others_are_short() -> None:
    dark = promising("198.18.100.1-198.18.100.2", auto=False, reservations="default/b=198.18.100.2")
    world, controller = World(dark, balanced("a"), balanced("b")), LoadBalancerController()
    world.settle(controller)
    assert (address_of(world, "a"), address_of(world, "b")) == ("", "198.18.100.2")


def test_a_reservation_moves_nobody() -> None:
    world, controller = World(promising("198.18.100.1-198.18.100.2"), balanced("a"), balanced("b")), LoadBalancerController()
    world.settle(controller)
    world.put(promising("198.18.100.1-198.18.100.2", reservations="default/b=198.18.100.1"))
    assert world.settle(controller) == []
    assert (address_of(world, "a"), address_of(world, "b")) == ("198.18.100.1", "198.18.100.2")


def test_a_promise_that_cannot_be_read_is_said_and_the_others_hold() -> None:
    text = "b=198.18.100.2, default/b=198.18.100.1, default/c=192.0.2.1"
    world = World(promising("198.18.100.1/32", reservations=text, retention="soon"), balanced("a"))
    controller = LoadBalancerController()
    said = world.settle(controller)
    assert said[0] == (
        f'InvalidObject: {RESERVED}: "b=198.18.100.2" is no reservation: write NAMESPACE/NAME=ADDRESS; '
        f"{RESERVED}: the address 192.0.2.1 is not one that the pool gives out; "
        f'{RETENTION}: "soon" is no time: write 24h or 30m'
    )
    assert address_of(world, "a") == ""
    assert world.settle(controller) == []
