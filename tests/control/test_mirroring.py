"""Mirrored slices. Rows name tests of `test/integration/endpointslice/endpointslicemirroring_test.go` or of
`pkg/controller/endpointslicemirroring`.
"""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from moorage.control.mirroring import MirroringController
from moorage.model.endpoints import EndpointAddress, Endpoints, EndpointSubset, SubsetPort
from moorage.model.meta import Key, ObjectMeta, ObjectReference, OwnerReference
from moorage.model.service import Service
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.snapshot import Changes
from moorage.model.verbs import Create, Delete, Update
from tests.control.things import World, service

WITHOUT = service(selector={})
PORT = SubsetPort(name="http", port=80, protocol="TCP")
OTHER = SubsetPort(name="b", port=90, protocol="TCP")


def subset(*ips: str, ports: tuple[SubsetPort, ...] = (PORT,), waiting: tuple[str, ...] = ()) -> EndpointSubset:
    return EndpointSubset(
        addresses=tuple(EndpointAddress(ip=each) for each in ips),
        not_ready_addresses=tuple(EndpointAddress(ip=each) for each in waiting),
        ports=ports,
    )


def endpoints(*subsets: EndpointSubset, labels: dict[str, str] | None = None, **annotations: str) -> Endpoints:
    meta = ObjectMeta(name="web", namespace="default", labels=labels or {}, annotations=annotations)
    return Endpoints(api_version="v1", kind="Endpoints", metadata=meta, subsets=subsets)


def controller(seed: int = 1) -> MirroringController:
    return MirroringController(Random(seed))


def slices(world: World) -> list[EndpointSlice]:
    return [each for _, each in sorted(world.snapshot.all(EndpointSlice).items())]


def shown(world: World) -> list[tuple[str, list[int | None], list[str]]]:
    """Of each slice: family, ports, addresses, those that are not ready with a minus."""
    return sorted(
        (
            each.address_type,
            [port.port for port in each.ports],
            sorted(("" if one.ready else "-") + one.addresses[0] for one in each.endpoints),
        )
        for each in slices(world)
    )


def test_a_whole_slice() -> None:
    address = EndpointAddress(ip="10.0.0.1", hostname="h", node_name="n", target_ref=ObjectReference(kind="Pod", name="p"))
    made = endpoints(
        EndpointSubset(addresses=(address,), ports=(replace(PORT, app_protocol="http"),)), labels={"a": "b"}, note="1"
    )
    skipped = {
        "endpoints.kubernetes.io/last-change-trigger-time": "x",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    made = replace(made, metadata=replace(made.metadata, annotations={"note": "1", **skipped}))
    world = World(WITHOUT, made)
    world.settle(controller())
    [one] = slices(world)
    owner = world.snapshot.all(Endpoints)[Key("default", "web")].metadata.uid
    assert one.metadata.name.startswith("web-")
    assert one.metadata.labels == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert one.metadata.annotations == {"note": "1"}
    assert one.metadata.owner_references == (
        OwnerReference(api_version="v1", kind="Endpoints", name="web", uid=owner, controller=True, block_owner_deletion=True),
    )
    assert (one.address_type, one.ports) == ("IPv4", (EndpointPort(name="http", protocol="TCP", port=80, app_protocol="http"),))
    assert one.endpoints == (
        Endpoint(
            addresses=("10.0.0.1",),
            conditions=EndpointConditions(ready=True),
            hostname="h",
            node_name="n",
            target_ref=ObjectReference(kind="Pod", name="p"),
        ),
    )


V4 = "IPv4"
ROWS: list[tuple[str, Service | None, Endpoints | None, list[tuple[str, list[int | None], list[str]]]]] = [
    ("Service with selector", service(), endpoints(subset("10.0.0.1")), []),
    ("Service without selector", WITHOUT, endpoints(subset("10.0.0.1")), [(V4, [80], ["10.0.0.1"])]),
    (
        "Service without selector Endpoint multiple subsets and same address",
        WITHOUT,
        endpoints(subset("10.0.0.1"), subset("10.0.0.1", ports=(OTHER,))),
        [(V4, [90, 80], ["10.0.0.1"])],
    ),
    (
        "Service without selector Endpoint multiple subsets",
        WITHOUT,
        endpoints(subset("10.0.0.1"), subset("10.0.0.2", ports=(OTHER,))),
        [(V4, [80], ["10.0.0.1"]), (V4, [90], ["10.0.0.2"])],
    ),
    ("Service without Endpoints", WITHOUT, None, []),
    ("Endpoints without Service", None, endpoints(subset("10.0.0.1")), []),
    ("no subsets", WITHOUT, endpoints(), []),
    ("not ready", WITHOUT, endpoints(subset("10.0.0.1", waiting=("10.0.0.2",))), [(V4, [80], ["-10.0.0.2", "10.0.0.1"])]),
    (
        "both families (TestReconcile, addressToEndpoint)",
        WITHOUT,
        endpoints(subset("10.0.0.1", "FD00::0:1")),
        [(V4, [80], ["10.0.0.1"]), ("IPv6", [80], ["fd00::1"])],
    ),
    ("no ports", WITHOUT, endpoints(subset("10.0.0.1", ports=())), [(V4, [], ["10.0.0.1"])]),
    (
        "skip-mirror (TestShouldMirror)",
        WITHOUT,
        endpoints(subset("10.0.0.1"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
        [],
    ),
    (
        "skip-mirror is not true",
        WITHOUT,
        endpoints(subset("10.0.0.1"), labels={"endpointslice.kubernetes.io/skip-mirror": "yes"}),
        [(V4, [80], ["10.0.0.1"])],
    ),
]


@pytest.mark.parametrize(("of", "made", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_mirrored(
    of: Service | None, made: Endpoints | None, expected: list[tuple[str, list[int | None], list[str]]]
) -> None:
    world, one = World(*(each for each in (of, made) if each is not None)), controller()
    world.settle(one)
    assert shown(world) == expected
    world._changes = Changes(everything=True)
    assert world.look(controller(2)).verbs == (), "a controller that starts now finds nothing to do"
    world.remove(Endpoints, "web")
    world.settle(one)
    assert shown(world) == []


def test_a_lock_of_leader_election_is_not_mirrored() -> None:
    meta = {"control-plane.alpha.kubernetes.io/leader": "{}"}
    made = endpoints(subset("10.0.0.1"))
    world = World(WITHOUT, replace(made, metadata=replace(made.metadata, annotations=meta)))
    assert world.look(controller()).verbs == ()


UPDATES: list[tuple[str, Endpoints, int]] = [
    ("Update labels", endpoints(subset("10.0.0.1"), labels={"foo": "bar"}), 1),
    ("Update annotations", endpoints(subset("10.0.0.1"), foo2="bar2"), 1),
    ("Update addresses", endpoints(subset("1.2.3.4", "1.2.3.6")), 1),
    ("Update ports", endpoints(subset("10.0.0.1", ports=(OTHER,))), 1),
    ("Nothing", endpoints(subset("10.0.0.1")), 0),
]


@pytest.mark.parametrize(("after", "writes"), [row[1:] for row in UPDATES], ids=[row[0] for row in UPDATES])
def test_updates_keep_the_slice(after: Endpoints, writes: int) -> None:
    """TestEndpointSliceMirroringUpdates; recycleSlices where the ports change."""
    world, one = World(WITHOUT, endpoints(subset("10.0.0.1"))), controller()
    world.settle(one)
    [before] = slices(world)
    world.put(after)
    plan = world.run(one)
    assert [type(each) for each in plan.verbs] == [Update] * writes
    [made] = slices(world)
    assert made.key == before.key
    assert [each.addresses[0] for each in made.endpoints] == [each.ip for each in after.subsets[0].addresses]
    assert made.metadata.annotations == after.metadata.annotations
    assert made.metadata.labels.items() >= after.metadata.labels.items()


@pytest.mark.parametrize(("before", "after", "mirrored"), [(WITHOUT, service(), False), (service(), WITHOUT, True)])
def test_a_selector_that_comes_or_goes(before: Service, after: Service, mirrored: bool) -> None:
    """TestEndpointSliceMirroringSelectorTransition."""
    world, one = World(before, endpoints(subset("10.0.0.1"))), controller()
    world.settle(one)
    assert bool(slices(world)) is not mirrored
    world.put(after)
    world.settle(one)
    assert bool(slices(world)) is mirrored


def test_at_most_a_thousand_of_a_subset_and_said_so() -> None:
    """TestReconcile ("Endpoints with 1 subset, exceeding max"), maxEndpointsPerSubset."""
    many = tuple(f"10.1.{n // 250}.{n % 250 + 1}" for n in range(1005))
    world = World(WITHOUT, endpoints(subset(*many[:600], waiting=many[600:])))
    said = world.settle(controller())
    [one] = slices(world)
    assert len(one.endpoints) == 1000
    assert sum(each.ready for each in one.endpoints) == 600
    assert said == [
        "TooManyAddressesToMirror: A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
        "5 addresses were skipped"
    ]


def test_what_is_no_address_is_left_out_and_said_so() -> None:
    world = World(WITHOUT, endpoints(subset("10.0.0.1", "nowhere")))
    said = world.settle(controller())
    assert shown(world) == [(V4, [80], ["10.0.0.1"])]
    assert said == ["InvalidIPAddress: Skipped 1 invalid IP addresses when mirroring to EndpointSlices"]


def test_slices_of_others_are_left_alone_and_own_ones_put_right() -> None:
    world, one = World(WITHOUT, endpoints(subset("10.0.0.1"))), controller()
    world.settle(one)
    [own] = slices(world)
    labels = {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me"}
    world.put(replace(own, metadata=ObjectMeta(name="mine", namespace="default", labels=labels)))
    assert world.look(one).verbs == ()
    world.put(replace(own, endpoints=()), replace(own, metadata=replace(own.metadata, name="web-twin")))
    plan = world.run(one)
    assert sorted(type(each).__name__ for each in plan.verbs) == ["Delete", "Update"]
    assert shown(world) == [(V4, [80], ["10.0.0.1"])] * 2, "its own and the one of somebody else"


def test_slices_of_deleted_endpoints_belong_to_the_new_ones() -> None:
    """needRebuildExistingSlices: the owner's uid."""
    world, one = World(WITHOUT, endpoints(subset("10.0.0.1"))), controller()
    world.settle(one)
    world.remove(Endpoints, "web")
    world.put(endpoints(subset("10.0.0.1")))
    plan = world.run(one)
    assert [type(each) for each in plan.verbs] == [Update]
    uid = world.snapshot.all(Endpoints)[Key("default", "web")].metadata.uid
    assert [each.metadata.owner_references[0].uid for each in slices(world)] == [uid]


def test_endpoints_that_are_being_deleted_get_no_new_slice() -> None:
    ending = endpoints(subset("10.0.0.1"))
    ending = replace(ending, metadata=replace(ending.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    assert World(WITHOUT, ending).look(controller()).verbs == ()


def test_a_write_that_failed_is_made_again_under_another_name() -> None:
    world, one = World(WITHOUT, endpoints(subset("10.0.0.1"))), controller()
    lost = world.look(one)
    one.failed(lost.verbs)
    [again] = world.look(one, now=1.0).verbs
    [first] = lost.verbs
    assert isinstance(again, Create)
    assert isinstance(first, Create)
    assert again.obj.key != first.obj.key
    assert not isinstance(again, Delete)
