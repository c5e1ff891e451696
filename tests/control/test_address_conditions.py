from __future__ import annotations

from msgspec.structs import replace

from moorage.control.load_balancers import LoadBalancerController
from moorage.model.meta import Key
from moorage.model.service import Service, ServiceCondition
from tests.control.things import World, balanced, pool, service

SMALL = pool("small", "198.18.100.1/32")
TYPE = "moorage.dev/AddressAssigned"


def said_of(world: World, name: str) -> tuple[str, str, str]:
    found = [each for each in conditions(world, name) if each.type == TYPE]
    [only] = found or [ServiceCondition()]
    return only.status, only.reason, only.message


def conditions(world: World, name: str) -> tuple[ServiceCondition, ...]:
    return world.snapshot.all(Service)[Key("default", name)].status.conditions


def test_a_service_says_whether_it_has_its_address_and_why_not() -> None:
    world, controller = World(SMALL, balanced("a"), balanced("b"), service("plain")), LoadBalancerController()
    world.settle(controller, now=60)
    assert said_of(world, "a") == ("True", "IPAllocated", 'Assigned IP ["198.18.100.1"]')
    assert said_of(world, "b")[:2] == ("False", "PoolExhausted")
    assert said_of(world, "b")[2].startswith('no free IPv4 address in IPAddressPool "small"')
    assert conditions(world, "plain") == ()
    world.remove(Service, "a")
    world.settle(controller, now=120)
    assert said_of(world, "b") == ("True", "IPAllocated", 'Assigned IP ["198.18.100.1"]')


def test_the_time_is_that_of_the_last_transition() -> None:
    world, controller = World(balanced("a")), LoadBalancerController()
    world.settle(controller, now=60)
    world.put(pool("other", "198.18.100.1/32", auto=False))
    world.settle(controller, now=120)
    [now_other] = conditions(world, "a")
    assert (now_other.last_transition_time, "see autoAssign" in now_other.message) == ("1970-01-01T00:01:00Z", True)
    world.put(SMALL)
    world.settle(controller, now=180)
    assert conditions(world, "a")[0].last_transition_time == "1970-01-01T00:03:00Z"


def test_the_reasons_that_a_requested_address_is_refused_for() -> None:
    wishes = {"taken": "198.18.100.1", "outside": "192.0.2.1", "wrong": "x"}
    made = [balanced(name, load_balancer_ip=wish) for name, wish in wishes.items()]
    world = World(SMALL, balanced("a"), *made)
    world.settle(LoadBalancerController())
    assert said_of(world, "taken")[1:] == ("AddressTaken", "the requested address 198.18.100.1 belongs to Service default/a")
    assert said_of(world, "outside")[1] == "AddressOutsidePools"
    assert said_of(world, "wrong")[1:] == ("InvalidObject", 'spec.loadBalancerIP holds "x", which is no IP address')


def test_conditions_of_others_stay() -> None:
    theirs = ServiceCondition(type="example.com/Ready", status="True", reason="Yes")
    made = balanced("a")
    world = World(SMALL, replace(made, status=replace(made.status, conditions=(theirs,))))
    controller = LoadBalancerController()
    world.settle(controller)
    assert conditions(world, "a")[0] == theirs
    plain = service("a")
    world.put(replace(plain, status=world.snapshot.all(Service)[Key("default", "a")].status))
    world.settle(controller)
    assert conditions(world, "a") == (theirs,), "and ours goes when the Service is no load balancer's any more"


def test_a_service_of_another_class_is_told_when_its_load_balancer_takes_long() -> None:
    world, controller = World(SMALL, balanced("a", load_balancer_class="example.com/other")), LoadBalancerController()
    assert world.settle(controller, now=0) == []
    assert (said_of(world, "a"), world.look(controller, now=5).wake_at) == (("", "", ""), 10.0)
    [said] = world.settle(controller, now=10)
    assert said == (
        'OtherClass: spec.loadBalancerClass: "example.com/other" is another load balancer\'s, which gives no address; '
        "ours are moorage.dev/edge and moorage.dev/announce"
    )
    assert said_of(world, "a")[:2] == ("False", "OtherClass")
    told = world.snapshot.all(Service)[Key("default", "a")]
    world.put(replace(balanced("a", shows="192.0.2.1", load_balancer_class="example.com/other"), metadata=told.metadata))
    world.settle(controller, now=11)
    assert conditions(world, "a") == ()


def test_without_a_load_balancer() -> None:
    world, controller = World(SMALL, balanced("a"), balanced("b", shows="192.0.2.1")), LoadBalancerController("none")
    world.settle(controller)
    assert said_of(world, "a")[:2] == ("False", "NoLoadBalancer")
    assert conditions(world, "b") == ()
