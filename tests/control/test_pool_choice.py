from __future__ import annotations

from ipaddress import ip_address

import pytest

from moorage.control.address_book import Hindrance
from moorage.control.pool_choice import Decision, Draw, label_selector
from moorage.control.retention import KnownPool
from moorage.model.lb import IPAddressPool, ServiceAllocation
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.wire import Tree
from tests.control.things import balanced, pool

BIG, DARK = pool("big", "198.18.100.0/24"), pool("dark", "198.18.200.0/24", auto=False)
SIX = pool("six", "fd00::/120")
OWNERS = {"198.18.100.0": "first", "198.18.100.7": "seventh"}


def hindrance(service: Service, address: Address) -> Hindrance | None:
    name = OWNERS.get(str(address), service.metadata.name)
    return Hindrance(Key("default", name), "why") if name != service.metadata.name else None


def decide(service: Service, *pools: IPAddressPool, present: str = "", labels: dict[str, str] | None = None) -> Decision:
    made = tuple(map(KnownPool.of, pools))
    shown = (ip_address(present),) if present else ()
    return Draw(service, labels or {}, made, lambda address: hindrance(service, address)).decide(shown)


def given(decision: Decision) -> list[str]:
    return [str(each) for each in decision.addresses]


def test_the_first_free_address_of_the_first_pool() -> None:
    assert given(decide(balanced("a"), BIG, DARK)) == ["198.18.100.1"]


def test_the_present_address_is_kept_also_in_a_pool_that_gives_none_by_itself() -> None:
    assert decide(balanced("a"), BIG, DARK, present="198.18.200.9") == Decision((ip_address("198.18.200.9"),))


def test_a_present_address_of_somebody_else_or_of_no_pool_is_replaced() -> None:
    assert given(decide(balanced("a"), BIG, present="198.18.100.7")) == ["198.18.100.1"]
    assert given(decide(balanced("a"), BIG, present="192.0.2.1")) == ["198.18.100.1"]


def test_a_named_pool() -> None:
    named = balanced("a", annotations={"metallb.io/address-pool": "dark"})
    assert given(decide(named, BIG, DARK)) == ["198.18.200.0"]
    assert given(decide(named, BIG, DARK, present="198.18.100.1")) == ["198.18.200.0"], "it moves"
    refused = decide(named, BIG)
    assert (refused.reason, refused.message) == (Reason.NO_POOL, 'no IPAddressPool "dark" that this Service may draw from')
    old = balanced("a", annotations={"metallb.universe.tf/address-pool": "dark"})
    assert given(decide(old, BIG, DARK)) == ["198.18.200.0"]


WANTED = "metallb.io/loadBalancerIPs"


@pytest.mark.parametrize(
    ("service", "addresses"),
    [
        (balanced("a", load_balancer_ip="198.18.100.9"), ["198.18.100.9"]),
        (balanced("a", annotations={WANTED: "198.18.200.9"}), ["198.18.200.9"]),
        (balanced("first", load_balancer_ip="198.18.100.0"), ["198.18.100.0"]),
        (
            balanced("a", annotations={WANTED: "198.18.100.9, fd00::9"}, ip_families=("IPv4", "IPv6")),
            ["198.18.100.9", "fd00::9"],
        ),
    ],
)
def test_addresses_that_are_asked_for(service: Service, addresses: list[str]) -> None:
    decision = decide(service, BIG, DARK, SIX)
    assert given(decision) == addresses
    assert decision.reason is Reason.IP_ALLOCATED
    if len(addresses) == 1:
        assert decide(service, BIG, DARK, SIX, present=addresses[0]).reason is None


@pytest.mark.parametrize(
    ("service", "reason", "message"),
    [
        (
            balanced("a", load_balancer_ip="198.18.100.7"),
            Reason.ADDRESS_TAKEN,
            "the requested address 198.18.100.7 belongs to Service default/seventh",
        ),
        (
            balanced("a", load_balancer_ip="192.0.2.1"),
            Reason.ADDRESS_OUTSIDE_POOLS,
            "the requested address 192.0.2.1 is not in any IPAddressPool that this Service may draw from",
        ),
        (
            balanced("a", load_balancer_ip="198.18.100.9", annotations={"metallb.io/address-pool": "dark"}),
            Reason.ADDRESS_OUTSIDE_POOLS,
            'the requested address 198.18.100.9 is not in the IPAddressPool "dark"',
        ),
        (
            balanced("a", load_balancer_ip="fd00::9"),
            Reason.INVALID_OBJECT,
            "the requested address fd00::9 is of a family that the Service does not have (spec.ipFamilies)",
        ),
        (
            balanced("a", load_balancer_ip="198.18.100.9", annotations={WANTED: "198.18.100.9"}),
            Reason.INVALID_OBJECT,
            "both spec.loadBalancerIP and the annotation metallb.io/loadBalancerIPs are set: keep one of them",
        ),
        (
            balanced("a", annotations={WANTED: "198.18.100.9,here"}),
            Reason.INVALID_OBJECT,
            'the annotation metallb.io/loadBalancerIPs holds "here", which is no IP address',
        ),
        (balanced("a", load_balancer_ip="x"), Reason.INVALID_OBJECT, 'spec.loadBalancerIP holds "x", which is no IP address'),
        (
            balanced("a", annotations={WANTED: "198.18.100.9,198.18.100.10"}),
            Reason.INVALID_OBJECT,
            "more than one address of a family is requested: a Service gets one of each",
        ),
    ],
)
def test_addresses_that_cannot_be_had(service: Service, reason: Reason, message: str) -> None:
    decision = decide(service, BIG, DARK, SIX)
    assert (decision.addresses, decision.reason, decision.message) == ((), reason, message)


def reserved(name: str, text: str, priority: int = 0, **rules: object) -> IPAddressPool:
    return pool(name, text, allocation=ServiceAllocation(priority=priority, **rules))  # type: ignore[arg-type]


def test_reserved_pools_come_first_by_priority() -> None:
    last = reserved("a-last", "198.18.1.0/24", namespaces=("default",))
    second = reserved("b-second", "198.18.2.0/24", priority=20, namespaces=("default",))
    first = reserved("c-first", "198.18.3.0/24", priority=10, namespaces=("default",))
    foreign = reserved("d-foreign", "198.18.4.0/24", priority=1, namespaces=("other",))
    service = balanced("a")
    assert given(decide(service, BIG, last, second, first, foreign)) == ["198.18.3.0"]
    assert given(decide(service, BIG, last, second, foreign)) == ["198.18.2.0"]
    assert given(decide(service, BIG, last, foreign)) == ["198.18.1.0"]
    assert given(decide(service, BIG, foreign)) == ["198.18.100.1"]
    assert decide(service, foreign).reason is Reason.NO_POOL


def test_pools_for_labels() -> None:
    gold = reserved("gold", "198.18.1.0/24", service_selectors=({"matchLabels": {"tier": "gold"}},))
    assert given(decide(balanced("a", labels={"tier": "gold"}), gold)) == ["198.18.1.0"]
    assert decide(balanced("a"), gold).reason is Reason.NO_POOL
    spaces = reserved("spaces", "198.18.1.0/24", namespaces=("x",), namespace_selectors=({"matchLabels": {"tier": "gold"}},))
    assert given(decide(balanced("a"), spaces, labels={"tier": "gold"})) == ["198.18.1.0"]
    assert decide(balanced("a"), spaces, labels={"tier": "tin"}).reason is Reason.NO_POOL


def test_two_families_come_from_one_pool() -> None:
    both = pool("both", "198.18.1.0/24", "fd00::/120")
    service = balanced("a", ip_families=("IPv4", "IPv6"), ip_family_policy="RequireDualStack")
    assert given(decide(service, BIG, both)) == ["198.18.1.0", "fd00::"]
    assert decide(service, BIG, SIX).reason is Reason.POOL_EXHAUSTED
    prefer = balanced("a", ip_families=("IPv4", "IPv6"), ip_family_policy="PreferDualStack")
    assert given(decide(prefer, BIG)) == ["198.18.100.1"]


@pytest.mark.parametrize(
    ("tree", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Nonsense"}]}, {"a": ""}, False),
    ],
)
def test_label_selectors(tree: Tree, labels: dict[str, str], matches: bool) -> None:
    assert label_selector(tree).matches(labels) is matches
