"""Pod: defaults, quality of service, grace."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.manifest.convert import decode
from moorage.model.kinds import PODS
from moorage.model.pods import Pod
from moorage.registry.pods import quality_of_service
from tests.registry.world import START, World


def pod(world: World, name: str = "web", **spec: Any) -> Pod:
    world.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "web:1"}], **spec}})
    return world.get(Pod, name)


def test_defaults() -> None:
    """SetDefaults_PodSpec and its parts; podStrategy.PrepareForCreate."""
    probe = {"httpGet": {"port": 80}}
    container = {"name": "c", "image": "web", "ports": [{"containerPort": 80}], "readinessProbe": probe}
    found = pod(World(), containers=[container])
    spec = found.spec
    assert (spec.restart_policy, spec.dns_policy, spec.scheduler_name) == ("Always", "ClusterFirst", "default-scheduler")
    assert (spec.termination_grace_period_seconds, spec.enable_service_links, spec.security_context) == (30, True, {})
    first = spec.containers[0]
    assert (first.image_pull_policy, first.termination_message_path) == ("Always", "/dev/termination-log")
    assert first.ports[0].protocol == "TCP"
    ready = first.readiness_probe
    assert ready is not None
    assert (ready.timeout_seconds, ready.period_seconds, ready.success_threshold, ready.failure_threshold) == (1, 10, 1, 3)
    assert ready.http_get is not None
    assert (ready.http_get.path, ready.http_get.scheme) == ("/", "HTTP")
    assert (found.status.phase, found.status.qos_class) == ("Pending", "BestEffort")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"), ("web:latest", "Always"), ("web:1", "IfNotPresent"), ("host:5000/web", "Always"),
        ("host:5000/web:1", "IfNotPresent"), ("web@sha256:00", "IfNotPresent"),
    ],
)  # fmt: skip
def test_pull_policy(image: str, policy: str) -> None:
    assert pod(World(), containers=[{"name": "c", "image": image}]).spec.containers[0].image_pull_policy == policy


def test_a_host_network_pod_uses_its_own_ports() -> None:
    ports = [{"containerPort": 80}]
    found = pod(World(), hostNetwork=True, containers=[{"name": "c", "image": "web:1", "ports": ports}])
    assert found.spec.containers[0].ports[0].host_port == 80


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1G"}, "requests": {"cpu": "1", "memory": "1Gi"}}, "Burstable"),
        ({"limits": {"cpu": 1}, "requests": {"cpu": 1}}, "Burstable"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], expected: str) -> None:
    found = decode(PODS, {"spec": {"containers": [{"resources": resources}]}}).obj
    assert isinstance(found, Pod)
    assert quality_of_service(found.spec) == expected


def test_limits_alone_are_requests_too() -> None:
    limits = {"cpu": "1", "memory": "1Gi"}
    found = pod(World(), containers=[{"name": "c", "image": "i", "resources": {"limits": limits}}])
    assert found.spec.containers[0].resources["requests"] == limits
    assert found.status.qos_class == "Guaranteed"


def test_a_pod_without_a_node_goes_at_once() -> None:
    world = World()
    pod(world)
    assert world.delete(PODS, "web").deleted
    assert not world.exists(PODS, "web")


@pytest.mark.parametrize(
    ("own", "asked", "grace"),
    [
        ({}, None, 30),
        ({"terminationGracePeriodSeconds": 5}, None, 5),
        ({"terminationGracePeriodSeconds": 5}, 60, 60),
        ({}, -3, 1),
    ],
)
def test_grace(own: dict[str, Any], asked: int | None, grace: int) -> None:
    """podStrategy.CheckGracefulDelete: the asked-for grace, else the Pod's own, never negative."""
    world = World()
    pod(world, nodeName="node-1", **own)
    assert not world.delete(PODS, "web", grace_seconds=asked).deleted
    meta = world.get(Pod, "web").metadata
    assert meta.deletion_grace_period_seconds == grace
    assert (
        meta.deletion_timestamp
        == {30: "2023-11-14T22:13:50Z", 5: "2023-11-14T22:13:25Z", 60: "2023-11-14T22:14:20Z", 1: "2023-11-14T22:13:21Z"}[grace]
    )
    assert meta.generation == 2


def test_grace_zero_and_an_ended_pod_go_at_once() -> None:
    world = World()
    pod(world, nodeName="node-1")
    assert world.delete(PODS, "web", grace_seconds=0).deleted
    pod(world, nodeName="node-1")
    world.merge(PODS, "web", {"status": {"phase": "Succeeded"}}, "status")
    assert world.delete(PODS, "web").deleted


def test_a_later_delete_only_shortens() -> None:
    world = World()
    pod(world, nodeName="node-1")
    world.delete(PODS, "web", grace_seconds=20)
    revision = world.store.revision
    world.now = START + 5
    for asked in (None, 20, 30):
        assert not world.delete(PODS, "web", grace_seconds=asked).deleted
    assert world.store.revision == revision
    world.delete(PODS, "web", grace_seconds=10)
    assert world.get(Pod, "web").metadata.deletion_timestamp == "2023-11-14T22:13:30Z"
    assert world.get(Pod, "web").metadata.generation == 2
    assert world.delete(PODS, "web", grace_seconds=0).deleted


def test_a_status_write_mirrors_the_address_and_keeps_the_class() -> None:
    world = World()
    pod(world)
    world.merge(PODS, "web", {"status": {"podIP": "10.244.0.2", "qosClass": None}}, "status")
    status = world.get(Pod, "web").status
    assert [each.ip for each in status.pod_ips] == ["10.244.0.2"]
    assert status.qos_class == "BestEffort"
