"""What the lab for benchmarks is filled with."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
import pytest

from moorage.lab.plan import belongs_to
from moorage.model.errors import UserError
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.bench_lab import BACKENDS, CLUSTER, INSIDE_ADDRESS, NOBODY, NODE, BenchPlan, Fill, backend, nobody, slices


def test_the_namespaces_belong_to_the_instance_so_that_a_sweep_finds_them() -> None:
    plan = BenchPlan.of_this_process()
    assert len(set(plan.namespaces)) == 4
    assert all(belongs_to(plan.instance, each) for each in plan.namespaces)
    with pytest.raises(UserError):
        BenchPlan("../etc")


def test_addresses_are_in_the_cluster_and_do_not_meet() -> None:
    assert BACKENDS.subnet_of(CLUSTER)
    assert NOBODY.subnet_of(CLUSTER)
    assert not NOBODY.overlaps(BACKENDS)
    assert INSIDE_ADDRESS in CLUSTER
    assert INSIDE_ADDRESS not in BACKENDS
    assert ip_address(backend(1000)) in BACKENDS
    assert ip_address(nobody(250_000)) in NOBODY


def test_services_are_filled_and_samples_can_be_asked() -> None:
    fill = Fill(services=10, endpoints=5, samples=2)
    written = list(fill.written())
    services = [msgspec.json.decode(each.body, type=Service) for each in written if each.path.endswith("/services")]
    found = [msgspec.json.decode(each.body, type=EndpointSlice) for each in written if each.path.endswith("/endpointslices")]
    assert [each.metadata.name for each in services] == [f"web-{n}" for n in range(10)]
    assert [each.service_name for each in found] == [f"web-{n}" for n in range(10)]
    assert fill.sampled() == {0: 0, 9: 1}, "the first and the last"
    for number, (service, slice_) in enumerate(zip(services, found, strict=True)):
        addresses = tuple(each.addresses[0] for each in slice_.endpoints)
        assert addresses == fill.addresses(number)
        asked = number in (0, 9)
        assert [each.protocol for each in service.spec.ports] == ["TCP", "UDP"][: 1 + asked]
        assert [each.protocol for each in slice_.ports] == ["TCP", "UDP"][: 1 + asked]
        assert all((ip_address(each) in BACKENDS) == asked for each in addresses)
        assert {each.node_name == NODE for each in slice_.endpoints} == {asked}
    every = [address for number in range(10) for address in fill.addresses(number)]
    assert len(set(every)) == 50


@pytest.mark.parametrize(("services", "samples"), [(1, 3), (2, 3), (5000, 3), (7, 0)])
def test_as_many_samples_as_there_are_services(services: int, samples: int) -> None:
    sampled = Fill(services, 1, samples).sampled()
    assert sorted(sampled.values()) == list(range(min(services, samples)))
    assert all(0 <= each < services for each in sampled)


def test_samples_are_spread_over_the_order_of_lists() -> None:
    assert list(Fill(services=30, endpoints=1, samples=3).sampled()) == [0, 21, 9]


def test_many_endpoints_are_several_slices() -> None:
    made = list(slices("web", tuple(nobody(n) for n in range(250))))
    assert [len(each.endpoints) for each in made] == [100, 100, 50]
    assert len({each.metadata.name for each in made}) == 3
    assert sum((each.endpoints for each in made), ())[249].addresses == (nobody(249),)


def test_endpoints_are_on_one_node_or_on_all_others() -> None:
    addresses = tuple(nobody(n) for n in range(20))
    (here,), (elsewhere,) = slices("web", addresses), slices("web", addresses, node="")
    assert {(each.node_name, each.zone) for each in here.endpoints} == {(NODE, "zone-0")}
    nodes = {each.node_name for each in elsewhere.endpoints}
    assert len(nodes) == 9
    assert NODE not in nodes
    zones = {each.node_name: each.zone for each in elsewhere.endpoints}
    assert all(zones[each.node_name] == each.zone for each in elsewhere.endpoints), "a node is in one zone"
