"""Any order of adding, editing and removing Services, pools and nodes: no address is held twice, shown without a pool,
announced without an owner, or leaked; and a controller that is at rest stays so, also a new one.
"""

from __future__ import annotations

from ipaddress import ip_address
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from moorage.allocate.pools import Pool
from moorage.announce.selection import l2_wishes
from moorage.control.address_probes import PASSED_OVER
from moorage.control.load_balancers import LoadBalancerController, is_ours, shown_addresses
from moorage.control.sharing import claim_of, clash
from moorage.model.cluster import Node
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, ObjectMeta
from moorage.model.metallb import L2Advertisement
from moorage.model.net import Address, Family
from moorage.model.ports import AddressState
from moorage.model.service import ANNOUNCE, LOAD_BALANCER, Service, ServicePort, provider_of
from moorage.model.snapshot import Changes
from moorage.model.verbs import Note
from tests.control.things import World, balanced, node, pool, service

NAMES = ("a", "b", "c", "d", "e")
SPANS = {
    "p": ("198.18.100.1-198.18.100.2", "198.18.100.1-198.18.100.3", "198.18.100.3/32"),
    "q": ("198.18.200.0/31", "fd00::/127", "198.18.200.1/32"),
}
PORTS = (
    (ServicePort(protocol="TCP", port=80),),
    (ServicePort(protocol="UDP", port=53),),
    (ServicePort(protocol="TCP", port=80), ServicePort(protocol="UDP", port=53)),
)

names = st.sampled_from(NAMES)
specs = st.fixed_dictionaries(
    {"ports": st.sampled_from(PORTS)},
    optional={
        "load_balancer_ip": st.sampled_from(["198.18.100.1", "198.18.200.1", "192.0.2.1"]),
        "load_balancer_class": st.sampled_from(["moorage.dev/edge", "moorage.dev/announce", "example.com/other"]),
        "external_traffic_policy": st.just("Local"),
    },
)
marks = st.fixed_dictionaries(
    {}, optional={"metallb.io/allow-shared-ip": st.sampled_from("xy"), "metallb.io/address-pool": st.sampled_from("pq")}
)
promises = st.fixed_dictionaries(
    {},
    optional={
        "moorage.dev/retention": st.sampled_from(["30s", "1h"]),
        "moorage.dev/reservations": st.sampled_from(
            ["default/a=198.18.100.1", "default/b=198.18.200.1, default/c=198.18.100.2"]
        ),
    },
)


class Network:
    """Some addresses belong to strangers."""

    def __init__(self) -> None:
        self.strangers: frozenset[Address] = frozenset()

    def state(self, address: Address) -> AddressState:
        return AddressState("02:00:00:00:00:07" if address in self.strangers else "")


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        everywhere = L2Advertisement(metadata=ObjectMeta(name="all", namespace="metallb-system"))
        self.world = World(everywhere, node("n1"))
        self.network = Network()
        self.controller = self._new()
        self.now = 0.0
        self.rests = False
        self.stranger_left = float("-inf")

    def _new(self) -> LoadBalancerController:
        return LoadBalancerController(ANNOUNCE, self.network)

    def _services(self) -> dict[Key, Service]:
        return dict(self.world.snapshot.all(Service))

    @rule(name=names, spec=specs, annotations=marks)
    def put(self, name: str, spec: dict[str, Any], annotations: dict[str, str]) -> None:
        """The API lets nobody change `loadBalancerClass` while the type stays."""
        old = self._services().get(Key("default", name))
        if old is not None and old.spec.type == LOAD_BALANCER:
            spec = {**spec, "load_balancer_class": old.spec.load_balancer_class}
        made = balanced(name, annotations=annotations, **spec)
        self.world.edit(made) if old is not None and old.spec.type == LOAD_BALANCER else self.world.put(made)
        self.rests = False

    @rule(name=names)
    def plain(self, name: str) -> None:
        """Another type: the API takes the addresses out of the status."""
        old = self._services().get(Key("default", name))
        made = service(name)
        if old is not None:
            made = replace(
                made, metadata=old.metadata, status=replace(old.status, load_balancer=type(old.status.load_balancer)())
            )
        self.world.put(made)
        self.rests = False

    @rule(name=names)
    def delete(self, name: str) -> None:
        """What is guarded stays until the controller lets it go; see `finish`."""
        old = self._services().get(Key("default", name))
        if old is None or not old.metadata.finalizers:
            self.world.remove(Service, name)
        else:
            self.world.put(replace(old, metadata=replace(old.metadata, deletion_timestamp="2026-01-01T00:00:00Z")))
        self.rests = False

    @rule(name=st.sampled_from(sorted(SPANS)), number=st.integers(0, 2), annotations=promises)
    def put_pool(self, name: str, number: int, annotations: dict[str, str]) -> None:
        made, old = pool(name, SPANS[name][number]), self.world.snapshot.get(IPAddressPool, Key("metallb-system", name))
        kept = {key: text for key, text in (old.metadata.annotations if old else {}).items() if key == "moorage.dev/retained"}
        status = old.status if old else made.status
        self.world.put(replace(made, metadata=replace(made.metadata, annotations={**kept, **annotations}), status=status))
        self.rests = False

    @rule(name=st.sampled_from(sorted(SPANS)))
    def remove_pool(self, name: str) -> None:
        self.world.remove(IPAddressPool, name, "metallb-system")
        self.rests = False

    @rule(name=st.sampled_from(["n1", "n2"]), there=st.booleans())
    def change_node(self, name: str, there: bool) -> None:
        self.world.put(node(name)) if there else self.world.remove(Node, name, "")

    @rule(addresses=st.frozensets(st.sampled_from(["198.18.100.1", "198.18.100.2", "198.18.200.0"]).map(ip_address)))
    def strangers_come_and_go(self, addresses: frozenset[Address]) -> None:
        """That one is gone is noticed when its address is asked for again; who is new notices at once."""
        if self.network.strangers - addresses:
            self.stranger_left = self.now
        self.network.strangers = addresses

    @rule(lost=st.booleans())
    def look(self, lost: bool) -> None:
        """One turn, whose writes may be lost."""
        plan = self.world.look(self.controller, self.now)
        if lost:
            self.controller.failed([each for each in plan.verbs if not isinstance(each, Note)])
        else:
            self.world.perform(plan)
            self._finish()
        self.rests = False

    @rule(seconds=st.sampled_from([1.0, 20.0, 100.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.rests = False

    @rule()
    def restart(self) -> None:
        self.controller = self._new()
        self.world._changes = Changes(everything=True)
        self.rests = False

    @rule()
    def settle(self) -> None:
        for _ in range(5):
            self.world.settle(self.controller, self.now)
            if not self._finish():
                break
        self.rests = True

    def _finish(self) -> bool:
        """The API takes away what is deleted and guarded no more."""
        over = [each for each in self._services().values() if each.metadata.deletion_timestamp and not each.metadata.finalizers]
        for each in over:
            self.world.remove(Service, each.key.name)
        return bool(over)

    @invariant()
    def what_is_announced_has_an_owner(self) -> None:
        snapshot = self.world.snapshot
        for address, wish in l2_wishes(snapshot).items():
            owners = [snapshot.all(Service)[key] for key in wish.services]
            assert owners
            assert all(address in shown_addresses(each) and provider_of(each) == ANNOUNCE for each in owners)
            assert set(wish.nodes) <= {key.name for key in snapshot.all(Node)}

    @precondition(lambda self: self.rests)
    @invariant()
    def everything_is_right_at_rest(self) -> None:
        snapshot = self.world.snapshot
        ours = [each for each in snapshot.all(Service).values() if is_ours(each)]
        pools = [Pool.of(each) for each in snapshot.all(IPAddressPool).values()]
        for one, other in combinations(ours, 2):
            if set(shown_addresses(one)) & set(shown_addresses(other)):
                assert not clash(claim_of(one, provider_of(one)), claim_of(other, provider_of(other))), (one.key, other.key)
        for each in ours:
            assert all(any(pool.usable(address) for pool in pools) for address in shown_addresses(each))
            [condition] = each.status.conditions
            assert (condition.status == "True") == bool(shown_addresses(each)), condition
        held = {address for each in ours for address in shown_addresses(each)}
        for obj in snapshot.all(IPAddressPool).values():
            mine = [each for each in held if Pool.of(obj).usable(each)]
            counted = (obj.status.assigned_ipv4, obj.status.assigned_ipv6)
            assert counted == tuple(sum(Family.of(each) is family for each in mine) for family in Family)
        assert self.world.look(self.controller, self.now).verbs == (), "the same controller"
        if self.now - self.stranger_left <= PASSED_OVER:
            return
        new = World()
        new.snapshot = snapshot
        new.look(self._new(), self.now)
        assert new.verbs == [], "a new controller"

    def teardown(self) -> None:
        """Without Services the books are empty."""
        for name in NAMES:
            self.delete(name)
        self.settle()
        self.settle()
        assert self._services() == {}
        controller = self.controller
        assert controller._book.keys() == frozenset()
        assert not controller._book._lines
        kept: tuple[Any, ...] = (
            controller._waiting,
            controller._handed,
            controller._asked,
            controller._due,
            controller._strangers,
        )
        assert not any(kept)
        assert all(type_ is not Service for type_, _ in controller._said)
        counts = [each.status for each in self.world.snapshot.all(IPAddressPool).values()]
        assert all(each.assigned_ipv4 == each.assigned_ipv6 == 0 for each in counts)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=200, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
