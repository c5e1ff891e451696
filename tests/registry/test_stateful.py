"""Random lives of Services: no address or port is ever held twice, held without need, or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moorage.allocate.addresses import AddressRange
from moorage.manifest.convert import load
from moorage.model.errors import ApiError
from moorage.model.kinds import IP_ADDRESSES, NAMESPACES, SERVICE_CIDRS, SERVICES
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.registry.service_allocation import held
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World

NAMES = st.sampled_from(["a", "b", "c", "d"])
TYPES = st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])
POLICIES = st.sampled_from([None, None, "SingleStack", "PreferDualStack", "RequireDualStack"])
RANGES = st.sampled_from(["more", "six", "both"])
CIDRS = {"more": ["10.97.0.0/30"], "six": ["fd00::/125"], "both": ["10.96.0.0/28", "fd01::/126"]}
NODE_PORTS = st.sampled_from([0, 0, 30000, 30001, 30002, 30005, 99])
ADDRESSES = st.sampled_from([None, None, "None", "10.96.0.1", "10.96.0.2", "10.96.0.6", "10.96.0.7", "10.97.0.1"])
PORTS = st.lists(
    st.fixed_dictionaries(
        {"port": st.sampled_from([53, 80]), "protocol": st.sampled_from(["TCP", "UDP"]), "nodePort": NODE_PORTS}
    ),
    min_size=1,
    max_size=3,
).map(lambda ports: [{**port, "name": f"p{index}"} for index, port in enumerate(ports)])
SPECS = st.fixed_dictionaries(
    {
        "type": TYPES,
        "ports": PORTS,
        "clusterIP": ADDRESSES,
        "externalTrafficPolicy": st.sampled_from([None, None, "Local"]),
        "ipFamilyPolicy": POLICIES,
    },
    optional={
        "allocateLoadBalancerNodePorts": st.booleans(),
        "externalName": st.just("db.example.com"),
        "selector": st.just({"a": "b"}),
        "ipFamilies": st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]]),
    },
)


class Lives(RuleBasedStateMachine):
    """A cluster so small that ranges fill up: 6 addresses of IPv4, 3 of IPv6, and 6 ports."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(RegistrySettings(service_cidr="10.96.0.0/29,fd00::/126", node_port_range=(30000, 30005)))
        self.world.create(NAMESPACES, {"metadata": {"name": "team"}})
        cidrs = ["10.96.0.0/29", "fd00::/126"]
        self.world.create(SERVICE_CIDRS, {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": cidrs}})

    def attempt(self, call: Callable[[], Any]) -> None:
        """A refusal is fine; it must leave everything as it was."""
        revision = self.world.store.revision
        pools = self.world.held("clusterip"), self.world.held("nodeport")
        refusal = None
        try:
            call()
        except ApiError as error:
            refusal = error
        if refusal is not None:
            assert refusal.code in (400, 404, 409, 422, 500), refusal
            assert refusal.code != 500 or "range is full" in refusal.message or "HealthCheck" in refusal.message
            assert self.world.store.revision == revision
            assert (self.world.held("clusterip"), self.world.held("nodeport")) == pools

    @rule(name=NAMES, spec=SPECS, namespace=st.sampled_from(["default", "team"]), dry_run=st.booleans())
    def create(self, name: str, spec: dict[str, Any], namespace: str, dry_run: bool) -> None:
        tree = {"metadata": {"name": name}, "spec": spec}
        self.attempt(lambda: self.world.create(SERVICES, tree, namespace, dry_run=dry_run))

    @rule(name=NAMES, spec=SPECS)
    def replace(self, name: str, spec: dict[str, Any]) -> None:
        self.attempt(lambda: self.world.update(SERVICES, name, {"spec": spec}))

    @rule(name=NAMES, type_=TYPES)
    def change_type(self, name: str, type_: str) -> None:
        spec = {"type": type_, "externalName": "db.example.com" if type_ == "ExternalName" else None}
        self.attempt(lambda: self.world.merge(SERVICES, name, {"spec": spec}))

    @rule(name=NAMES, ports=PORTS)
    def change_ports(self, name: str, ports: list[dict[str, Any]]) -> None:
        self.attempt(lambda: self.world.merge(SERVICES, name, {"spec": {"ports": ports}}))

    @rule(name=NAMES, finalizers=st.sampled_from([None, ["example.com/a"]]))
    def guard(self, name: str, finalizers: list[str] | None) -> None:
        self.attempt(lambda: self.world.merge(SERVICES, name, {"metadata": {"finalizers": finalizers}}))

    @rule(name=NAMES, policy=POLICIES)
    def change_policy(self, name: str, policy: str | None) -> None:
        self.attempt(lambda: self.world.merge(SERVICES, name, {"spec": {"ipFamilyPolicy": policy}}))

    @rule(name=RANGES)
    def add_range(self, name: str) -> None:
        self.attempt(lambda: self.world.create(SERVICE_CIDRS, {"metadata": {"name": name}, "spec": {"cidrs": CIDRS[name]}}))

    @rule(name=RANGES)
    def delete_range(self, name: str) -> None:
        self.attempt(lambda: self.world.delete(SERVICE_CIDRS, name))

    @rule(address=st.sampled_from(["10.96.0.1", "10.97.0.1", "fd00::1"]), keep=st.booleans())
    def delete_record(self, address: str, keep: bool) -> None:
        if keep:
            guard = {"metadata": {"finalizers": ["example.com/a"]}}
            self.attempt(lambda: self.world.merge(IP_ADDRESSES, address, guard))
        self.attempt(lambda: self.world.delete(IP_ADDRESSES, address))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.attempt(lambda: self.world.delete(SERVICES, name))

    @precondition(lambda self: self.world.exists(NAMESPACES, "team"))
    @rule()
    def delete_namespace(self) -> None:
        self.attempt(lambda: self.world.delete(NAMESPACES, "team"))

    @invariant()
    def what_is_held_is_what_services_show(self) -> None:
        shown: Counter[tuple[str, str]] = Counter()
        owners = {}
        for record in self.world.registry.list(SERVICES)[0]:
            service = load(SERVICES, record.body)
            assert isinstance(service, Service)
            for each in held(service.spec):
                shown[each.pool, each.value] += 1
                owners[each.pool, each.value] = str(record.key)
        assert all(count == 1 for count in shown.values())
        recorded = {
            (pool, value): holder for pool in ("clusterip", "nodeport") for value, holder in self.world.held(pool).items()
        }
        assert recorded == owners
        named = {record.key.name for record in self.world.registry.list(IP_ADDRESSES)[0]}
        assert named == {value for pool, value in owners if pool == "clusterip"}

    @invariant()
    def a_range_stays_no_longer_than_it_is_needed(self) -> None:
        """Every address lies in a range; one that is being deleted is the only one that an address lies in."""
        held = [ip_address(value) for value in self.world.held("clusterip")]
        staying: list[AddressRange] = []
        leaving: list[list[AddressRange]] = []
        for record in self.world.registry.list(SERVICE_CIDRS)[0]:
            obj = load(SERVICE_CIDRS, record.body)
            assert isinstance(obj, ServiceCIDR)
            ranges = list(map(AddressRange.parse, obj.spec.cidrs))
            if obj.metadata.deletion_timestamp is None:
                staying += ranges
            else:
                leaving.append(ranges)
        alone = [address for address in held if not any(address in each for each in staying)]
        for ranges in leaving:
            assert any(address in each for address in alone for each in ranges)
        for address in alone:
            assert any(address in each for ranges in leaving for each in ranges)


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase
