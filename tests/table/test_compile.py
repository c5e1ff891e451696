from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.model.cluster import Node
from moorage.model.meta import Key, Object
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.compile import Compiler, compile_table
from moorage.table.types import LocalCheck, Locality, NodeFacts
from tests.table.objects import FACTS, READY, TERMINATING, UNREADY, addresses, endpoint, ip, net, service, slice_

WEB, API = Key("default", "web"), Key("default", "api")
BOTH = Snapshot.of(
    [
        service("web", "10.96.0.1"),
        service("api", "10.96.0.2"),
        slice_(endpoint("10.244.0.1"), of="web"),
        slice_(endpoint("10.244.0.2"), of="api"),
    ]
)


def changed(snapshot: Snapshot, *objects: Object) -> tuple[Snapshot, Changes]:
    keys: dict[type[Object], frozenset[Key]] = {}
    for each in objects:
        snapshot = snapshot.with_objects(type(each), {**snapshot.all(type(each)), each.key: each})
        keys[type(each)] = keys.get(type(each), frozenset()) | {each.key}
    return snapshot, Changes(keys)


def removed(snapshot: Snapshot, type_: type[Object], key: Key) -> tuple[Snapshot, Changes]:
    rest = {each: obj for each, obj in snapshot.all(type_).items() if each != key}
    return snapshot.with_objects(type_, rest), Changes({type_: frozenset({key})})


def test_a_table_from_nothing() -> None:
    table = compile_table(BOTH, FACTS)
    assert {key: [str(each.match) for each in frontends] for key, frontends in table.services.items()} == {
        WEB: ["10.96.0.1:80/tcp"],
        API: ["10.96.0.2:80/tcp"],
    }
    assert table.locality == FACTS.locality
    assert (table.verdicts, table.notes) == ({}, {})


def test_only_touched_services_get_new_frontends() -> None:
    compiler = Compiler()
    first = compiler.update(BOTH, Changes(everything=True), FACTS)
    snapshot, changes = changed(BOTH, slice_(endpoint("10.244.0.1"), endpoint("10.244.0.9"), of="web"))
    second = compiler.update(snapshot, changes, FACTS)
    assert second.services[API] is first.services[API]
    assert [len(each.backends) for each in second.services[WEB]] == [2]
    assert len(first.services[WEB][0].backends) == 1


def test_a_change_that_means_nothing_gives_the_same_table() -> None:
    compiler = Compiler()
    first = compiler.update(BOTH, Changes(everything=True), FACTS)
    annotated = service("web", "10.96.0.1", labels={"team": "red"})
    snapshot, changes = changed(BOTH, annotated, slice_(endpoint("10.244.0.1"), of="web"))
    assert compiler.update(snapshot, changes, FACTS) is first
    assert compiler.update(snapshot, Changes(everything=True), FACTS) is first
    assert compiler.update(snapshot, Changes({Node: frozenset({Key("", "node-1")})}), FACTS) is first


def test_another_locality_touches_no_frontend() -> None:
    compiler = Compiler()
    first = compiler.update(BOTH, Changes(everything=True), FACTS)
    wider = msgspec.structs.replace(FACTS, locality=Locality(cluster_sources=(net("10.0.0.0/8"),)))
    second = compiler.update(BOTH, Changes(), wider)
    assert second.locality == wider.locality
    assert all(second.services[key] is first.services[key] for key in first.services)


@pytest.mark.parametrize("more", [{"addresses": addresses("192.168.0.7")}, {"zone": "east"}, {"weights": {"node-1": 3}}])
def test_other_facts_reach_every_service(more: dict[str, object]) -> None:
    of = service(
        "web", type="LoadBalancer", ingress=("198.18.100.1",), loadBalancerSourceRanges=["192.168.0.0/28"], ports=[{"port": 80}]
    )
    snapshot = Snapshot.of([of, slice_(endpoint("10.244.0.1", "node-1"), of="web")])
    compiler = Compiler()
    compiler.update(snapshot, Changes(everything=True), FACTS)
    moved = msgspec.structs.replace(FACTS, **more)
    assert compiler.update(snapshot, Changes(), moved) == compile_table(snapshot, moved)


def test_health_checks_come_and_go_with_their_service() -> None:
    of = service("web", type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    compiler = Compiler()
    snapshot = Snapshot.of([of, slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.1.1", "node-2"), of="web")])
    assert compiler.update(snapshot, Changes(everything=True), FACTS).checks == {WEB: LocalCheck(32000, 1)}
    snapshot, changes = changed(snapshot, slice_(endpoint("10.244.0.1", "node-1", TERMINATING), of="web"))
    assert compiler.update(snapshot, changes, FACTS).checks == {WEB: LocalCheck(32000, 0)}
    snapshot, changes = changed(snapshot, service("web"))
    assert compiler.update(snapshot, changes, FACTS).checks == {}


def test_a_relist_forgets_what_is_gone() -> None:
    compiler = Compiler()
    compiler.update(BOTH, Changes(everything=True), FACTS)
    rest, _ = removed(BOTH, Service, WEB)
    assert compiler.update(rest, Changes(everything=True), FACTS) == compile_table(rest, FACTS)
    assert compiler.update(Snapshot(), Changes(everything=True), NodeFacts("node-1")).services == {}


def test_a_slice_that_comes_before_its_service_is_kept() -> None:
    compiler = Compiler()
    orphan = slice_(endpoint("10.244.0.1"), of="web")
    assert compiler.update(Snapshot.of([orphan]), Changes(everything=True), FACTS).services == {}
    snapshot, changes = changed(Snapshot.of([orphan]), service("web"))
    assert len(compiler.update(snapshot, changes, FACTS).services[WEB][0].backends) == 1


def test_one_broken_service_leaves_the_others_alone() -> None:
    broken = service("broken", "not an address", ports=[{"port": 0}])
    table = compile_table(Snapshot.of([broken, service("web")]), FACTS)
    assert table.verdicts == {broken.key: Reason.INVALID_OBJECT}
    assert list(table.services) == [WEB]


def test_the_address_of_a_deleted_service_goes_to_the_one_that_waited() -> None:
    old = service("old", "10.96.0.1", created="2026-01-01T00:00:00Z", externalIPs=["203.0.113.1"])
    new = service("new", "10.96.0.2", created="2026-01-02T00:00:00Z", externalIPs=["203.0.113.1"])
    snapshot = Snapshot.of([new, old])
    compiler = Compiler()
    before = compiler.update(snapshot, Changes(everything=True), FACTS)
    assert before.verdicts == {new.key: Reason.DUPLICATE_FRONTEND}
    assert [str(each.match) for each in before.services[new.key]] == ["10.96.0.2:80/tcp"]
    snapshot, changes = removed(snapshot, Service, old.key)
    after = compiler.update(snapshot, changes, FACTS)
    assert after.verdicts == {}
    assert [str(each.match) for each in after.services[new.key]] == ["10.96.0.2:80/tcp", "203.0.113.1:80/tcp"]


names = st.sampled_from(["a", "b", "c"])
services = st.builds(
    lambda name, address, day, shared, policy: service(
        name,
        f"10.96.0.{address}",
        f"2026-01-0{day}T00:00:00Z",
        type="NodePort",
        externalIPs=shared,
        externalTrafficPolicy=policy,
        ports=[{"port": 80, "nodePort": 30000}],
    ),
    names,
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([[], ["203.0.113.1"]]),
    st.sampled_from(["Cluster", "Local"]),
)
slices = st.builds(
    lambda name, of, where, conditions: slice_(endpoint(f"10.244.0.{where}", f"node-{where}", conditions), of=of, name=name),
    names,
    names,
    st.integers(1, 2),
    st.sampled_from([READY, TERMINATING, UNREADY]),
)
deletions = st.tuples(st.sampled_from([Service, EndpointSlice]), names)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(services, slices, deletions), max_size=12))
def test_step_by_step_is_the_same_as_from_nothing(steps: list[Object | tuple[type[Object], str]]) -> None:
    compiler, snapshot = Compiler(), Snapshot()
    compiler.update(snapshot, Changes(everything=True), FACTS)
    for step in steps:
        if isinstance(step, tuple):
            snapshot, changes = removed(snapshot, step[0], Key("default", step[1]))
        else:
            snapshot, changes = changed(snapshot, step)
        table = compiler.update(snapshot, changes, FACTS)
        assert table == compile_table(snapshot, FACTS)
        owned = [each.match for each in table.frontends()]
        assert len(owned) == len(set(owned))


def test_an_unused_address_is_no_frontend() -> None:
    assert all(each.match.address != ip("203.0.113.1") for each in compile_table(BOTH, FACTS).frontends())
