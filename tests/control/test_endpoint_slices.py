from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.control.endpoint_slices import EndpointSliceController
from moorage.control.endpoints import endpoint, resolved_ports
from moorage.control.selection import Selection
from moorage.model.cluster import Node
from moorage.model.meta import Key, ObjectMeta, OwnerReference
from moorage.model.net import Family
from moorage.model.pods import ContainerPort, Pod
from moorage.model.selectors import match_labels
from moorage.model.service import Service, ServicePort
from moorage.model.slices import EndpointPort, EndpointSlice
from moorage.model.verbs import Create, Delete, Update
from tests.control.things import World, container, node, pod, service

NAMED = (ServicePort(name="http", protocol="TCP", port=80, target_port="web"),)


def controller(batch: int = 500, seed: int = 1) -> EndpointSliceController:
    """A process that starts again draws other names: give it another seed."""
    return EndpointSliceController(Random(seed), batch)


def slices(world: World, name: str = "web") -> list[EndpointSlice]:
    return [each for _, each in sorted(world.snapshot.all(EndpointSlice).items()) if each.service_name == name]


def addresses(world: World, name: str = "web") -> list[list[str]]:
    return sorted(sorted(each.addresses[0] for each in one.endpoints) for one in slices(world, name))


def described(world: World) -> list[str]:
    """What the last look planned, in short."""
    return [f"{type(each).__name__} {each.obj.key if isinstance(each, Create | Update) else each.key}" for each in world.verbs
            if isinstance(each, Create | Update | Delete)]  # fmt: skip


def test_a_new_slice_is_upstreams() -> None:
    world = World(node("node-1", zone="east"), service(labels={"team": "blue"}), pod("a", "10.244.1.2"))
    world.look(controller())
    [create] = world.verbs
    assert isinstance(create, Create)
    made = create.obj
    assert isinstance(made, EndpointSlice)
    owner = world.snapshot.all(Service)[Key("default", "web")]
    assert made.metadata == ObjectMeta(
        name=made.metadata.name,
        generate_name="web-",
        namespace="default",
        labels={
            "team": "blue",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        annotations={"endpoints.kubernetes.io/last-change-trigger-time": str(owner.metadata.creation_timestamp)},
        owner_references=(
            OwnerReference(
                api_version="v1", kind="Service", name="web", uid=owner.metadata.uid, controller=True, block_owner_deletion=True
            ),
        ),
    )
    assert len(made.metadata.name) == len("web-xxxxx")
    assert (made.address_type, made.ports) == ("IPv4", (EndpointPort(name="http", protocol="TCP", port=8080),))
    assert [(each.addresses, each.node_name, each.zone) for each in made.endpoints] == [(("10.244.1.2",), "node-1", "east")]


def test_a_headless_service_has_the_headless_label() -> None:
    world = World(service(cluster_ip="None"))
    one = controller()
    world.settle(one)
    assert slices(world)[0].metadata.labels["service.kubernetes.io/headless"] == ""
    world.put(service(labels={"service.kubernetes.io/headless": "mine"}))
    world.settle(one)
    assert "service.kubernetes.io/headless" not in slices(world)[0].metadata.labels


def test_a_service_without_endpoints_has_one_empty_slice_that_is_reused() -> None:
    world = World(node("node-1"), service())
    one = controller()
    world.settle(one)
    [placeholder] = slices(world)
    assert (placeholder.ports, placeholder.endpoints) == ((), ())
    world.put(pod("a", "10.244.1.2"))
    world.look(one)
    assert described(world) == [f"Update {placeholder.key}"]


def test_the_last_endpoint_leaves_the_empty_slice() -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    [before] = slices(world)
    world.remove(Pod, "a")
    world.settle(one)
    assert [(each.key, each.endpoints, each.ports) for each in slices(world)] == [(before.key, (), ())]


def test_a_pod_that_turns_unready_is_one_small_write() -> None:
    world = World(node("node-1"), service(), *(pod(f"p{n}", f"10.244.1.{n}") for n in range(1, 251)))
    one = controller()
    world.settle(one)
    assert sorted(map(len, addresses(world))) == [50, 100, 100]
    world.put(pod("p7", "10.244.1.7", ready=False))
    world.look(one)
    [update] = world.verbs
    assert isinstance(update, Update)
    assert isinstance(update.obj, EndpointSlice)
    [left] = [each for each in update.obj.endpoints if each.addresses == ("10.244.1.7",)]
    assert (left.conditions.ready, left.conditions.serving) == (False, False)


def test_pods_with_other_port_numbers_are_in_other_slices() -> None:
    def web(name: str, ip: str, port: int) -> Pod:
        return pod(name, ip, containers=(container(ContainerPort(name="web", container_port=port, protocol="TCP")),))

    world = World(node("node-1"), service(ports=NAMED), web("a", "10.244.1.1", 8080), web("b", "10.244.1.2", 9090))
    world.put(web("c", "10.244.1.3", 8080), pod("d", "10.244.1.4"))
    one = controller()
    world.settle(one)
    by_port = {each.ports: sorted(one.addresses[0] for one in each.endpoints) for each in slices(world)}
    assert by_port == {
        (EndpointPort(name="http", protocol="TCP", port=8080),): ["10.244.1.1", "10.244.1.3"],
        (EndpointPort(name="http", protocol="TCP", port=9090),): ["10.244.1.2"],
        (): ["10.244.1.4"],
    }
    world.remove(Pod, "b")
    world.remove(Pod, "d")
    world.settle(one)
    assert [each.ports[0].port for each in slices(world)] == [8080]


@pytest.mark.parametrize(
    "other",
    [
        pod("x", ""),
        pod("x", "10.244.9.9", labels={"app": "db"}),
        pod("x", "10.244.9.9", labels={}),
        pod("x", "10.244.9.9", node="gone"),
        replace(pod("x", "10.244.9.9"), metadata=ObjectMeta(name="x", namespace="other", labels={"app": "web"})),
    ],
)
def test_who_is_no_endpoint(other: Pod) -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"), other)
    world.settle(controller())
    assert addresses(world) == [["10.244.1.2"]]


def test_slices_of_others_and_services_without_selector_are_left_alone() -> None:
    foreign = EndpointSlice(
        metadata=ObjectMeta(name="mine", namespace="default", labels={"kubernetes.io/service-name": "web"}), address_type="IPv4"
    )
    world = World(node("node-1"), service(selector={}), pod("a", "10.244.1.2"), foreign)
    world.look(controller())
    assert world.verbs == []
    world.put(service())
    world.settle(controller())
    assert world.snapshot.get(EndpointSlice, Key("default", "mine")) is not None
    assert len(slices(world)) == 2


def test_the_slices_of_a_service_that_is_gone_are_left_to_the_garbage_collector() -> None:
    world = World(node("node-1"), service(), *(pod(f"p{n}", f"10.244.1.{n}") for n in range(1, 120)))
    one = controller()
    world.settle(one)
    world.remove(Service, "web")
    assert world.settle(one) == []
    assert len(slices(world)) == 2


def test_slices_of_a_deleted_namesake_are_replaced() -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    [old] = slices(world)
    world.remove(Service, "web")
    world.put(service())
    world.settle(one)
    [new] = slices(world)
    assert new.key != old.key
    assert new.metadata.owner_references[0].uid == world.snapshot.all(Service)[Key("default", "web")].metadata.uid


def test_an_external_name_has_no_slices() -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    world.put(service(type="ExternalName", external_name="www.example.com", cluster_ip=""))
    world.settle(one)
    assert slices(world) == []


def test_a_service_that_is_being_deleted_gets_no_new_slices() -> None:
    ending = service()
    ending = replace(ending, metadata=replace(ending.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    world = World(node("node-1"), ending, pod("a", "10.244.1.2"))
    world.look(controller())
    assert world.verbs == []


def test_both_families() -> None:
    world = World(node("node-1"), service(ip_families=("IPv4", "IPv6")), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    assert sorted(each.address_type for each in slices(world)) == ["IPv4", "IPv6"]
    world.put(service(ip_families=("IPv4",)))
    world.settle(one)
    assert [each.address_type for each in slices(world)] == ["IPv4"]


def test_a_node_that_comes_goes_or_moves_touches_its_pods_services() -> None:
    world = World(service(), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    assert addresses(world) == [[]]
    world.put(node("node-1"))
    world.settle(one)
    assert addresses(world) == [["10.244.1.2"]]
    world.put(node("node-1", zone="west"))
    world.settle(one)
    assert [each.zone for each in slices(world)[0].endpoints] == ["west"]
    world.put(node("node-1", ready="Unknown", zone="west"))
    world.look(one)
    assert world.verbs == []
    world.remove(Node, "node-1", namespace="")
    world.settle(one)
    assert addresses(world) == [[]]


def test_a_pod_whose_labels_change_moves() -> None:
    world = World(node("node-1"), service(), service("db", selector={"app": "db"}), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    world.put(pod("a", "10.244.1.2", labels={"app": "db"}))
    world.settle(one)
    assert (addresses(world), addresses(world, "db")) == ([[]], [["10.244.1.2"]])


def test_somebody_deletes_or_edits_a_slice() -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"))
    one = controller()
    world.settle(one)
    world.put(replace(slices(world)[0], endpoints=()))
    world.settle(one)
    assert addresses(world) == [["10.244.1.2"]]
    world.remove(EndpointSlice, slices(world)[0].metadata.name)
    world.settle(one)
    assert addresses(world) == [["10.244.1.2"]]


def test_what_is_not_visible_yet_is_not_written_twice() -> None:
    world = World(node("node-1"), service(), pod("a", "10.244.1.2"))
    one = controller()
    first = world.look(one, now=0)
    assert len(first.verbs) == 1
    world.put(pod("b", "10.244.1.3"))
    waiting = world.look(one, now=1)
    assert (waiting.verbs, waiting.wake_at) == ((), 5.0)
    world.perform(first)
    world.run(one, now=2)
    assert addresses(world) == [["10.244.1.2", "10.244.1.3"]]


def test_a_write_that_never_shows_is_made_again() -> None:
    world = World(service())
    one = controller()
    world.look(one, now=0)
    world.put(service())
    assert world.look(one, now=4.9).verbs == ()
    assert len(world.look(one, now=5).verbs) == 1


def test_a_write_that_failed_is_made_again_at_once() -> None:
    world = World(service())
    one = controller()
    lost = world.look(one, now=0)
    one.failed(lost.verbs)
    again = world.look(one, now=1)
    assert len(again.verbs) == 1
    assert again.verbs != lost.verbs, "under another name: the first may be taken"


def test_nothing_is_planned_before_every_pod_was_seen() -> None:
    """Else a first list of many Pods would make slices of some of them, to be written again."""
    world = World(node("node-1"), service(), *(pod(f"p{n}", f"10.244.1.{n}") for n in range(1, 6)))
    one = controller()
    one._selection = Selection(chunk=2)
    assert [(each.verbs, each.wake_at) for each in (world.look(one, now=3), world.look(one, now=3))] == [((), 3)] * 2
    world.settle(one, now=3)
    assert [len(each) for each in addresses(world)] == [5]


def test_many_services_are_looked_at_in_batches() -> None:
    world = World(*(service(f"s{n}") for n in range(25)))
    one = controller(batch=10)
    plans = [world.run(one, now=7) for _ in range(3)]
    assert [(len(each.verbs), each.wake_at) for each in plans] == [(10, 7), (10, 7), (5, 7)], (
        "those that it wrote are due again"
    )
    world.settle(one, now=7)
    assert len(world.snapshot.all(EndpointSlice)) == 25


# Any history.

APPS = ("web", "db", "old")
change = st.one_of(
    st.tuples(st.just("pod"), st.integers(0, 7), st.sampled_from(APPS), st.booleans(), st.booleans(), st.booleans()),
    st.tuples(st.just("gone"), st.integers(0, 7)),
    st.tuples(st.just("service"), st.sampled_from(APPS), st.sampled_from(APPS), st.booleans(), st.booleans()),
    st.tuples(st.just("no service"), st.sampled_from(APPS)),
    st.tuples(st.just("node"), st.sampled_from(("", "east"))),
    st.tuples(st.just("no node")),
    st.tuples(st.just("look")),
    st.tuples(st.just("restart")),
)


def apply(world: World, step: tuple[object, ...]) -> None:
    match step:
        case ("pod", number, app, ready, has_ip, second_port):
            port = 9090 if second_port else 8080
            ip = f"10.244.1.{number}" if has_ip else ""
            ports = container(ContainerPort(name="web", container_port=port, protocol="TCP"))
            world.put(pod(f"p{number}", ip, labels={"app": str(app)}, ready=bool(ready), containers=(ports,)))
        case ("gone", number):
            world.remove(Pod, f"p{number}")
        case ("service", name, app, named, publish):
            listed = NAMED if named else service().spec.ports
            made = service(str(name), selector={"app": str(app)}, ports=listed, publish_not_ready_addresses=bool(publish))
            world.put(made)
        case ("no service", name):
            world.remove(Service, str(name))
            for each in slices(world, str(name)):  # as the garbage collector does
                world.remove(EndpointSlice, each.metadata.name)
        case ("node", zone):
            world.put(node("node-1", zone=str(zone)))
        case ("no node",):
            world.remove(Node, "node-1", namespace="")


Described = dict[tuple[frozenset[EndpointPort], str], object]


def wanted(world: World, made: Service) -> Described:
    """What must be there, said without any of the controller's ways: each selected Pod's address under its ports."""
    found: Described = {}
    for each in world.snapshot.all(Pod).values():
        at = world.snapshot.get(Node, Key("", each.spec.node_name))
        if not match_labels(made.spec.selector, each.metadata.labels) or not each.status.pod_ip:
            continue
        if at is not None or made.spec.publish_not_ready_addresses:
            ports = frozenset(resolved_ports(made, each))
            found[(ports, each.metadata.name)] = endpoint(each, at, made, Family.IPV4)
    return found


def present(world: World, name: str) -> Described:
    found: Described = {}
    for one in slices(world, name):
        for each in one.endpoints:
            assert each.target_ref is not None
            place = (frozenset(one.ports), each.target_ref.name)
            assert place not in found, "twice"
            found[place] = each
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(change, max_size=25))
def test_slices_say_what_is_there_whatever_happened(steps: list[tuple[object, ...]]) -> None:
    world = World(node("node-1"), service())
    one = controller(batch=2)
    for number, step in enumerate(steps, 2):
        apply(world, step)
        if step[0] == "look":
            world.run(one)
        if step[0] == "restart":
            one, world._changes = controller(batch=2, seed=number), world._changes.merged(type(world._changes)(everything=True))
    world.settle(one)
    services: Mapping[Key, Service] = world.snapshot.all(Service)
    for key, made in services.items():
        assert present(world, key.name) == wanted(world, made)
        assert slices(world, key.name)
        assert all(len(each.endpoints) <= 100 for each in slices(world, key.name))
        assert sum(not each.endpoints for each in slices(world, key.name)) <= 1, "one placeholder at most"
    assert {each.service_name for each in world.snapshot.all(EndpointSlice).values()} == {key.name for key in services}
    fresh = World()
    fresh.snapshot = world.snapshot
    assert fresh.look(controller()).verbs == (), "a controller that starts now finds nothing to do"
