"""Endpoints objects from Services and Pods, through slices.

Rows name tests of `pkg/controller/endpoint/endpoints_controller_test.go` or of `test/integration/endpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from moorage.control.endpoint_slices import EndpointSliceController
from moorage.control.endpoints_objects import EndpointsController
from moorage.model.endpoints import EndpointAddress, Endpoints, EndpointSubset, SubsetPort
from moorage.model.meta import Key, Object, ObjectMeta, ObjectReference
from moorage.model.pods import ContainerPort, Pod, PodIP
from moorage.model.service import Service, ServicePort
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes
from tests.control.things import World, container, node, pod, service

WEB = Key("default", "web")


class Cluster(World):
    """Both controllers, each with its own view of what changed."""

    def __init__(self, *objects: Object) -> None:
        self._offered = Changes(everything=True)
        super().__init__(node("node-1"), *objects)
        self.slices = EndpointSliceController(Random(1))
        self.one = EndpointsController()
        self.writes = 0

    def rest(self) -> None:
        """Lets both work, in turns, until nothing is left to do. `writes` counts those of Endpoints."""
        self.writes = 0
        for _ in range(20):
            changes, self._changes = self._changes, Changes()
            plan = self.slices.reconcile(self.snapshot, changes, 0.0)
            self.perform(plan)
            later, self._changes = self._changes, Changes()
            second = self.one.reconcile(self.snapshot, changes.merged(later), 0.0)
            self.perform(second)
            self._changes = later.merged(self._changes)
            self.writes += len(second.verbs)
            if not plan.verbs and not second.verbs and not self._changes:
                return
        raise AssertionError("the controllers do not come to rest")

    @property
    def endpoints(self) -> Endpoints:
        return self.snapshot.all(Endpoints)[WEB]

    @property
    def addresses(self) -> list[tuple[list[str], list[str], list[int]]]:
        """Of each subset: ready, not ready, ports."""
        return [
            (
                [each.ip for each in one.addresses],
                [each.ip for each in one.not_ready_addresses],
                [each.port for each in one.ports],
            )
            for one in self.endpoints.subsets
        ]


def test_a_whole_object() -> None:
    """TestSyncEndpointsItems, TestSyncEndpointsItemsWithLabels."""
    named = pod("a", "10.244.1.2", hostname="h", subdomain="web")
    cluster = Cluster(service(labels={"team": "blue"}), replace(named, metadata=replace(named.metadata, uid="u")))
    cluster.rest()
    made = cluster.endpoints
    assert (made.api_version, made.kind) == ("v1", "Endpoints")
    assert made.metadata.labels == {"team": "blue", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert list(made.metadata.annotations) == ["endpoints.kubernetes.io/last-change-trigger-time"]
    target = cluster.snapshot.all(Pod)[Key("default", "a")].metadata
    assert made.subsets == (
        EndpointSubset(
            addresses=(
                EndpointAddress(
                    ip="10.244.1.2",
                    hostname="h",
                    node_name="node-1",
                    target_ref=ObjectReference(kind="Pod", namespace="default", name="a", uid=target.uid),
                ),
            ),
            ports=(SubsetPort(name="http", port=8080, protocol="TCP"),),
        ),
    )


TWO = (
    ServicePort(name="a", protocol="TCP", port=80, target_port=8080),
    ServicePort(name="b", protocol="TCP", port=81, target_port=88),
)
NAMED = (*TWO[:1], ServicePort(name="b", protocol="TCP", port=81, target_port="b"))
SAME = (ServicePort(name="t", protocol="TCP", port=53), ServicePort(name="u", protocol="UDP", port=53))
P1, P2 = pod("p1", "1.2.3.4"), pod("p2", "1.2.3.5", ready=False)
PB = pod("p3", "1.2.3.6", containers=(container(ContainerPort(name="b", container_port=9000, protocol="TCP")),))
ENDED = replace(P1, status=replace(P1.status, phase="Succeeded"))
BOTH = replace(P1, status=replace(P1.status, pod_ips=(PodIP(ip="1.2.3.4"), PodIP(ip="fd00::4"))))

ROWS: list[tuple[str, dict[str, Any], list[Pod], list[tuple[list[str], list[str], list[int]]]]] = [
    ("TestSyncEndpointsNewNoSubsets", {}, [], []),
    ("TestSyncEndpointsItemsEmptySelectorSelectsAllMixed", {}, [P1, P2], [(["1.2.3.4"], ["1.2.3.5"], [8080])]),
    ("TestSyncEndpointsProtocolMultiProtocolSamePort", {"ports": SAME}, [P1], [(["1.2.3.4"], [], [53, 53])]),
    ("two ports", {"ports": TWO}, [P1, P2], [(["1.2.3.4"], ["1.2.3.5"], [8080, 88])]),
    (
        "a named port that one Pod has (FindPort)",
        {"ports": NAMED},
        [P1, PB],
        [(["1.2.3.4", "1.2.3.6"], [], [8080]), (["1.2.3.6"], [], [9000])],
    ),
    ("a Pod without any of the ports", {"ports": NAMED[1:]}, [P1, PB], [(["1.2.3.6"], [], [9000])]),
    ("TestSyncEndpointsHeadlessWithoutPort", {"ports": (), "cluster_ip": "None"}, [P1], [(["1.2.3.4"], [], [])]),
    ("TestSyncEndpointsItemsExcludeNotReadyPods...PhaseSucceeded", {}, [ENDED], []),
    ("publishNotReadyAddresses", {"publish_not_ready_addresses": True}, [P1, P2], [(["1.2.3.4", "1.2.3.5"], [], [8080])]),
    ("TestEndpointWithTerminatingPod", {}, [P1, pod("p2", "1.2.3.5", terminating=True)], [(["1.2.3.4"], [], [8080])]),
    (
        "terminating, with publishNotReadyAddresses (ShouldPodBeInEndpoints)",
        {"publish_not_ready_addresses": True},
        [pod("p2", "1.2.3.5", terminating=True)],
        [(["1.2.3.5"], [], [8080])],
    ),
    ("TestSyncServiceAddresses: IPv6 first", {"ip_families": ("IPv6", "IPv4")}, [BOTH], [(["fd00::4"], [], [8080])]),
    ("TestSyncServiceAddresses: IPv4 first", {"ip_families": ("IPv4", "IPv6")}, [BOTH], [(["1.2.3.4"], [], [8080])]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "pods", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_subsets(spec: Mapping[str, Any], pods: list[Pod], expected: list[tuple[list[str], list[str], list[int]]]) -> None:
    cluster = Cluster(service(**spec), *pods)
    cluster.rest()
    assert cluster.addresses == expected
    assert cluster.writes == 1, "it waits for the slices and is written once"
    fresh = EndpointsController()
    assert fresh.reconcile(cluster.snapshot, Changes(everything=True), 0.0).verbs == ()


def test_the_headless_label_comes_and_goes() -> None:
    """TestSyncEndpointsHeadlessServiceLabel."""
    cluster = Cluster(service(cluster_ip="None"))
    cluster.rest()
    assert cluster.endpoints.metadata.labels["service.kubernetes.io/headless"] == ""
    cluster.put(service(labels={"a": "b"}))
    cluster.rest()
    assert cluster.endpoints.metadata.labels == {"a": "b", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def test_over_capacity() -> None:
    """TestSyncServiceOverCapacity, TestEndpointTruncate: 1,000 at most, ready ones first, and said so as long as it is true."""
    pods = [pod(f"p{n:04}", f"10.{n // 250}.1.{n % 250 + 1}", ready=n < 900) for n in range(1001)]
    cluster = Cluster(service(), *pods)
    cluster.rest()
    [subset] = cluster.endpoints.subsets
    assert (len(subset.addresses), len(subset.not_ready_addresses)) == (900, 100)
    assert cluster.endpoints.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"
    cluster.rest()
    assert cluster.writes == 0
    cluster.remove(Pod, "p1000")
    cluster.rest()
    assert "endpoints.kubernetes.io/over-capacity" not in cluster.endpoints.metadata.annotations
    assert sum(len(each.addresses) + len(each.not_ready_addresses) for each in cluster.endpoints.subsets) == 1000


def test_identical_but_unsorted_is_left_alone() -> None:
    """TestSyncEndpointsItemsPreexistingIdenticalUnsorted."""
    cluster = Cluster(service(ports=TWO), P1, pod("p2", "1.2.3.5"))
    cluster.rest()
    [subset] = cluster.endpoints.subsets
    turned = replace(subset, addresses=subset.addresses[::-1], ports=subset.ports[::-1])
    cluster.put(replace(cluster.endpoints, subsets=(turned,)))
    cluster.rest()
    assert cluster.writes == 0


def test_edits_and_deletions_are_undone() -> None:
    """TestSyncEndpointsItemsPreexisting, TestEndpointsDeletionEvents."""
    cluster = Cluster(service(), P1)
    cluster.rest()
    good = cluster.addresses
    cluster.put(replace(cluster.endpoints, subsets=()))
    cluster.rest()
    assert cluster.addresses == good
    cluster.remove(Endpoints, "web")
    cluster.rest()
    assert cluster.addresses == good


HAND_WRITTEN = Endpoints(
    metadata=ObjectMeta(name="web", namespace="default"),
    subsets=(EndpointSubset(addresses=(EndpointAddress(ip="192.0.2.1"),)),),
)


@pytest.mark.parametrize("kept", [service(selector={}), service(type="ExternalName", cluster_ip="", external_name="a.example")])
def test_whose_endpoints_are_left_alone(kept: Service) -> None:
    """TestSyncEndpointsItemsPreserveNoSelector, TestSyncServiceExternalNameType."""
    cluster = Cluster(kept, HAND_WRITTEN, P1)
    cluster.rest()
    assert cluster.endpoints.subsets == HAND_WRITTEN.subsets


def test_an_external_name_that_becomes_a_cluster_ip() -> None:
    """TestExternalNameToClusterIPTransition."""
    cluster = Cluster(service(type="ExternalName", cluster_ip="", external_name="a.example"), P1)
    cluster.rest()
    assert not cluster.snapshot.all(Endpoints)
    cluster.put(service())
    cluster.rest()
    assert cluster.addresses == [(["1.2.3.4"], [], [8080])]


def test_endpoints_go_with_their_service() -> None:
    """TestSyncEndpointsServiceNotFound; also those that somebody wrote by hand."""
    for each in (service(), service(selector={})):
        cluster = Cluster(each, HAND_WRITTEN)
        cluster.rest()
        cluster.remove(Service, "web")
        cluster.rest()
        assert not cluster.snapshot.all(Endpoints)


def test_leftovers_of_before_go_and_what_comes_before_its_service_stays() -> None:
    """TestCheckLeftoverEndpoints: only at the start, and never a lock of leader election."""
    lock = replace(
        HAND_WRITTEN,
        metadata=ObjectMeta(name="lock", namespace="default", annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),
    )
    cluster = Cluster(HAND_WRITTEN, lock)
    cluster.rest()
    assert [key.name for key in cluster.snapshot.all(Endpoints)] == ["lock"]
    cluster.put(HAND_WRITTEN)
    cluster.rest()
    cluster._changes = Changes(everything=True)
    cluster.rest()
    assert cluster.endpoints.subsets == HAND_WRITTEN.subsets


def test_the_annotation_is_that_of_the_slices_and_no_reason_to_write() -> None:
    """TestLastTriggerChangeTimeAnnotation."""
    cluster = Cluster(service())
    cluster.rest()
    created = str(cluster.snapshot.all(Service)[WEB].metadata.creation_timestamp)
    assert cluster.endpoints.metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] == created
    [only] = cluster.snapshot.all(EndpointSlice).values()
    cluster.put(replace(only, metadata=replace(only.metadata, annotations={})))
    cluster.rest()
    assert cluster.writes == 0


def test_slices_of_others_count_for_nothing() -> None:
    cluster = Cluster(service(), P1)
    cluster.rest()
    [own] = cluster.snapshot.all(EndpointSlice).values()
    labels = {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me"}
    cluster.put(replace(own, metadata=ObjectMeta(name="mine", namespace="default", labels=labels)))
    cluster.rest()
    assert cluster.writes == 0


def test_a_write_that_failed_is_made_again() -> None:
    cluster = Cluster(service(), P1)
    plan = cluster.slices.reconcile(cluster.snapshot, Changes(everything=True), 0.0)
    cluster.perform(plan)
    lost = cluster.one.reconcile(cluster.snapshot, Changes(everything=True), 0.0)
    assert len(lost.verbs) == 1
    assert cluster.one.reconcile(cluster.snapshot, Changes(), 1.0).verbs == ()
    cluster.one.failed(lost.verbs)
    assert cluster.one.reconcile(cluster.snapshot, Changes(), 1.0).verbs == lost.verbs
