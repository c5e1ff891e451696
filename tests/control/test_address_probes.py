from __future__ import annotations

from ipaddress import ip_address

from moorage.control.load_balancers import LoadBalancerController
from moorage.model.net import Address
from moorage.model.ports import AddressState
from moorage.model.service import Service
from moorage.model.verbs import Note
from tests.control.things import World, address_of, balanced, pool

TWO = pool("two", "198.18.100.1-198.18.100.2")
MAC = "02:00:00:00:00:07"


class Network:
    """What answers on the network: `macs`; what has not been waited for: `slow`."""

    def __init__(self, *slow: str) -> None:
        self.macs: dict[Address, str] = {}
        self.slow = set(map(ip_address, slow))
        self.asked: list[Address] = []

    def state(self, address: Address) -> AddressState:
        self.asked.append(address)
        if address in self.slow:
            return AddressState(asking=True)
        return AddressState(self.macs.get(address, ""))


def taken(*texts: str) -> Network:
    network = Network()
    network.macs = dict.fromkeys(map(ip_address, texts), MAC)
    return network


def test_an_address_is_handed_out_when_the_network_has_not_answered_for_it() -> None:
    network = Network("198.18.100.1")
    world, controller = World(TWO, balanced("a"), balanced("b")), LoadBalancerController(probes=network)
    for now in (0.0, 0.1, 0.2):
        plan = world.run(controller, now)
        assert (address_of(world, "a"), plan.wake_at) == ("", now + 0.1)
    world.run(controller, 0.3)
    assert address_of(world, "b") == "198.18.100.2", "what is asked for is not given to others meanwhile"
    network.slow.clear()
    world.settle(controller, 0.4)
    assert address_of(world, "a") == "198.18.100.1"


def test_an_address_in_use_is_passed_over_and_asked_for_again_after_a_minute() -> None:
    network = taken("198.18.100.1")
    world, controller = World(TWO, balanced("a"), balanced("b")), LoadBalancerController(probes=network)
    plan = world.look(controller, 0)
    [said] = [each for each in plan.verbs if isinstance(each, Note) and each.about.key == TWO.key]
    assert (said.reason.value, said.message) == (
        "AddressInUse",
        f"198.18.100.1 is used by a machine with the MAC address {MAC}: it is passed over for a minute",
    )
    world.perform(plan)
    world.settle(controller, 1)
    assert (address_of(world, "a"), address_of(world, "b")) == ("198.18.100.2", "")
    assert world.look(controller, 2).wake_at == 60
    assert all("AddressInUse" not in each for each in world.settle(controller, 60)), "it is said once"
    network.macs.clear()
    world.settle(controller, 120)
    assert address_of(world, "b") == "198.18.100.1"


def test_a_requested_address_in_use_stays_pending_with_the_reason() -> None:
    network = taken("198.18.100.1")
    wish = balanced("a", load_balancer_ip="198.18.100.1")
    world, controller = World(TWO, wish), LoadBalancerController(probes=network)
    said = "the requested address 198.18.100.1 is used by another machine"
    assert f"AddressInUse: {said}, {MAC}: it is asked for again every minute" in world.settle(controller, 0)
    network.macs.clear()
    world.settle(controller, 60)
    assert address_of(world, "a") == "198.18.100.1"


def test_what_is_shown_and_what_was_ours_until_now_is_not_asked_for() -> None:
    network = taken("198.18.100.1")
    world, controller = World(TWO, balanced("a", shows="198.18.100.1")), LoadBalancerController(probes=network)
    world.settle(controller, 0)
    assert (address_of(world, "a"), network.asked) == ("198.18.100.1", [])
    world.remove(Service, "a")
    world.put(balanced("b"))
    world.settle(controller, 5)
    assert (address_of(world, "b"), network.asked) == ("198.18.100.1", [])


def test_an_address_that_is_shared_is_not_asked_for_again() -> None:
    share = {"metallb.io/allow-shared-ip": "x"}
    network = Network()
    world = World(TWO, balanced("a", annotations=share))
    controller = LoadBalancerController(probes=network)
    world.settle(controller)
    network.macs[ip_address("198.18.100.1")] = MAC
    world.put(balanced("b", annotations=share, ports=()))
    world.settle(controller)
    assert address_of(world, "b") == "198.18.100.1"


def test_a_service_that_goes_while_its_address_is_asked_for_leaves_nothing() -> None:
    network = Network("198.18.100.1", "198.18.100.2")
    world, controller = World(TWO, balanced("a")), LoadBalancerController(probes=network)
    world.run(controller)
    world.remove(Service, "a")
    world.settle(controller)
    network.slow.clear()
    world.put(balanced("b"))
    world.settle(controller)
    assert address_of(world, "b") == "198.18.100.1"
