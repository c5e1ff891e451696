from __future__ import annotations

from msgspec.structs import replace

from moorage.control.load_balancers import LoadBalancerController
from moorage.control.pool_simulation import simulate
from moorage.model.lb import IPAddressPool
from moorage.model.snapshot import Snapshot
from tests.control.things import World, address_of, balanced, pool, service

OLD = pool("p", "198.18.100.1-198.18.100.4")


def settled(*objects: object) -> World:
    world = World(OLD, *objects)  # type: ignore[arg-type]
    world.settle(LoadBalancerController())
    return world


def fates(snapshot: Snapshot, *pools: IPAddressPool) -> dict[str, tuple[str, str, str]]:
    found = simulate(snapshot, pools, "edge", 0.0)
    return {each.service.name: (each.fate.value, ",".join(map(str, each.after)), each.why) for each in found}


def test_what_keeps_changes_loses_gains_and_waits() -> None:
    world = settled(
        balanced("a"),
        balanced("b"),
        balanced("c", annotations={"metallb.io/address-pool": "p"}),
        balanced("d", load_balancer_ip="192.0.2.1"),
        balanced("e", load_balancer_ip="10.0.0.1"),
        balanced("other", load_balancer_class="example.com/other"),
        service("plain"),
    )
    assert fates(world.snapshot, pool("p", "198.18.100.1/32"), pool("q", "192.0.2.0/31")) == {
        "a": ("keeps", "198.18.100.1", ""),
        "b": ("changes", "192.0.2.0", "198.18.100.2 is in no IPAddressPool"),
        "c": (
            "loses",
            "",
            "198.18.100.3 is in no IPAddressPool; "
            'no free IPv4 address in IPAddressPool "p": add addresses to it, or delete a LoadBalancer Service',
        ),
        "d": ("gains", "192.0.2.1", ""),
        "e": (
            "waits",
            "",
            "the requested address 10.0.0.1 is not in any IPAddressPool that this Service may draw from",
        ),
    }


def test_the_simulation_is_what_happens() -> None:
    """The same edit, applied: everybody has what was foretold, and the simulation has changed nothing."""
    world, controller = World(OLD, *(balanced(f"s{number}") for number in range(4))), LoadBalancerController()
    world.settle(controller)
    before = world.snapshot
    pools = (pool("p", "198.18.100.3-198.18.100.4"), pool("q", "192.0.2.7/32"))
    foretold = {name: after for name, (_, after, _) in fates(world.snapshot, *pools).items()}
    assert world.snapshot is before
    world.put(*pools)
    world.settle(controller)
    assert {name: address_of(world, name) for name in foretold} == foretold
    assert sorted(foretold.values()) == ["", "192.0.2.7", "198.18.100.3", "198.18.100.4"]


def test_pools_as_they_are_change_nothing_and_what_is_retained_counts() -> None:
    keeping = replace(OLD, metadata=replace(OLD.metadata, annotations={"moorage.dev/retention": "1h"}))
    live = {"moorage.dev/retained": "default/gone=198.18.100.1@1970-01-01T01:00:00Z", **keeping.metadata.annotations}
    world = World(replace(keeping, metadata=replace(keeping.metadata, annotations=live)), balanced("a"))
    assert fates(world.snapshot, keeping) == {"a": ("gains", "198.18.100.2", "")}
    world.settle(LoadBalancerController())
    assert fates(world.snapshot, keeping) == {"a": ("keeps", "198.18.100.2", "")}
