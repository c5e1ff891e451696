from __future__ import annotations

from typing import Any

import pytest

from moorage.control.load_balancers import LoadBalancerController
from moorage.control.sharing import Claim, claim_of, clash
from moorage.model.service import Service, ServicePort
from tests.control.things import World, address_of, balanced, pool

SHARE = "metallb.io/allow-shared-ip"
ONE = pool("one", "198.18.100.1/32")
TWO = pool("two", "198.18.100.1-198.18.100.2")
HTTP, DNS_TCP, DNS_UDP = (
    ServicePort(protocol=protocol, port=port) for protocol, port in (("TCP", 80), ("TCP", 53), ("UDP", 53))
)


def sharing(name: str, *ports: ServicePort, word: str = "x", annotations: dict[str, str] | None = None, **spec: Any) -> Service:
    return balanced(name, annotations={SHARE: word, **(annotations or {})}, ports=ports, **spec)


def claim(service: Service, provider: str = "edge") -> Claim:
    return claim_of(service, provider)


@pytest.mark.parametrize(
    ("other", "provider", "why"),
    [
        (sharing("b", DNS_UDP), "edge", ""),
        (balanced("b", annotations={"metallb.universe.tf/allow-shared-ip": "x"}, ports=(DNS_UDP,)), "edge", ""),
        (sharing("b", DNS_TCP, DNS_UDP), "edge", "both have port 53/TCP"),
        (sharing("b", DNS_UDP, word="y"), "edge", f'it shares as "y", this Service as "x" ({SHARE})'),
        (balanced("b", ports=(DNS_UDP,)), "edge", f"it shares with nobody: the annotation {SHARE} is not set there"),
        (sharing("b", DNS_UDP, external_traffic_policy="Local"), "edge", "its externalTrafficPolicy is another one"),
        (sharing("b", DNS_UDP), "announce", "another load balancer serves it (announce, not edge)"),
        (sharing("b", DNS_UDP), "", f"it shares with nobody: the annotation {SHARE} is not set there"),
        (
            sharing("b", ServicePort(protocol="TCP", port=50), annotations={"moorage.dev/port-ranges": "50-60"}),
            "edge",
            "both have port 53/TCP",
        ),
    ],
)
def test_two_cluster_services_share_unless_a_rule_is_broken(other: Service, provider: str, why: str) -> None:
    assert clash(claim(sharing("a", DNS_TCP)), claim(other, provider)) == why


def test_local_services_need_the_same_selector() -> None:
    local: dict[str, Any] = {"external_traffic_policy": "Local"}
    one = claim(sharing("a", DNS_TCP, **local))
    assert clash(one, claim(sharing("b", DNS_UDP, **local))) == ""
    other = claim(sharing("b", DNS_UDP, selector={"app": "other"}, **local))
    assert clash(one, other) == "with externalTrafficPolicy Local the selectors have to be identical"


def test_services_with_one_word_get_one_address() -> None:
    world = World(ONE, sharing("a", DNS_TCP), sharing("b", DNS_UDP), sharing("c", HTTP, word="y"))
    said = world.settle(LoadBalancerController())
    assert [address_of(world, each) for each in "abc"] == ["198.18.100.1", "198.18.100.1", ""]
    assert "PoolExhausted" in said[0]
    counts = next(iter(world.snapshot.all(type(ONE)).values())).status
    assert (counts.assigned_ipv4, counts.available_ipv4) == (1, 0)


def test_a_requested_address_that_cannot_be_shared_says_by_whom_it_is_taken_and_why() -> None:
    world = World(TWO, sharing("a", DNS_TCP), sharing("b", DNS_TCP, load_balancer_ip="198.18.100.1"))
    assert world.settle(LoadBalancerController())[0] == (
        "SharingRefused: the requested address 198.18.100.1 belongs to Service default/a and cannot be shared: "
        "both have port 53/TCP"
    )


@pytest.mark.parametrize(
    "change",
    [sharing("a", DNS_UDP), sharing("a", DNS_TCP, word="y"), sharing("a", DNS_TCP, external_traffic_policy="Local")],
    ids=["ports", "key", "policy"],
)
def test_whoever_changes_so_that_it_cannot_share_any_more_moves(change: Service) -> None:
    world, controller = World(TWO, sharing("a", DNS_TCP), sharing("b", DNS_UDP)), LoadBalancerController()
    world.settle(controller)
    assert address_of(world, "a") == address_of(world, "b") == "198.18.100.1"
    world.edit(change)
    said = world.settle(controller)
    assert (address_of(world, "a"), address_of(world, "b")) == ("198.18.100.2", "198.18.100.1")
    assert said[0].startswith('AddressRevoked: Took back IP ["198.18.100.1"]: 198.18.100.1 belongs to Service default/b, and')
    assert world.settle(controller) == []


def test_after_a_restart_the_older_of_two_that_cannot_share_stays() -> None:
    shown = {"shows": "198.18.100.1", "ports": (DNS_TCP,)}
    world = World(TWO, balanced("z", annotations={SHARE: "x"}, **shown), balanced("a", annotations={SHARE: "y"}, **shown))  # type: ignore[arg-type]
    world.settle(LoadBalancerController())
    assert (address_of(world, "z"), address_of(world, "a")) == ("198.18.100.1", "198.18.100.2")


def test_who_waits_gets_an_address_that_can_be_shared_now() -> None:
    world, controller = World(ONE, sharing("a", DNS_TCP, HTTP), sharing("b", HTTP)), LoadBalancerController()
    world.settle(controller)
    assert address_of(world, "b") == ""
    world.edit(sharing("a", DNS_TCP))
    world.settle(controller)
    assert address_of(world, "b") == "198.18.100.1"
