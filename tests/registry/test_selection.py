"""Label and field selectors of lists, and fields that a kind does not offer."""

from __future__ import annotations

import pytest

from moorage.model.kinds import EVENTS, IP_ADDRESS_POOLS, LEASES, NAMESPACES, NODES, PODS, SERVICES, Kind
from moorage.model.selectors import parse_field_selector, parse_label_selector
from tests.registry.world import World, refused


def names(world: World, kind: Kind, labels: str = "", fields: str = "") -> list[str]:
    records, _ = world.registry.list(kind, "", parse_label_selector(labels), parse_field_selector(fields))
    return [each.key.name for each in records]


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    for name, node, tier in (("a", "node-1", "x"), ("b", "node-2", "y"), ("c", "", "y")):
        spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
        world.create(PODS, {"metadata": {"name": name, "labels": {"tier": tier}}, "spec": spec})
    world.merge(PODS, "a", {"status": {"phase": "Running", "podIP": "10.244.1.2"}}, "status")
    world.service("web", clusterIP="10.96.0.5")
    world.service("out", type="NodePort")
    world.create(NODES, {"metadata": {"name": "node-1"}, "spec": {"unschedulable": True}})
    about = {"kind": "Pod", "namespace": "default", "name": "a", "uid": "u1"}
    event = {"metadata": {"name": "a.1"}, "involvedObject": about, "reason": "Started", "type": "Normal"}
    world.create(EVENTS, {**event, "source": {"component": "kubelet"}})
    return world


@pytest.mark.parametrize(
    ("kind", "labels", "fields", "expected"),
    [
        (PODS, "tier=y", "", ["b", "c"]),
        (PODS, "tier in (x, z)", "", ["a"]),
        (PODS, "!tier", "", []),
        (PODS, "", "metadata.name=b", ["b"]),
        (PODS, "", "metadata.namespace!=default", []),
        (PODS, "", "spec.nodeName=node-1", ["a"]),
        (PODS, "", "spec.nodeName=", ["c"]),
        (PODS, "tier=y", "spec.nodeName!=", ["b"]),
        (PODS, "", "status.phase=Running,status.podIP=10.244.1.2,spec.restartPolicy=Always", ["a"]),
        (PODS, "", "status.phase!=Running,spec.hostNetwork=false,spec.schedulerName=default-scheduler", ["b", "c"]),
        (SERVICES, "", "spec.type=NodePort", ["out"]),
        (SERVICES, "", "spec.clusterIP=10.96.0.5", ["web"]),
        (NODES, "", "spec.unschedulable=true", ["node-1"]),
        (NAMESPACES, "kubernetes.io/metadata.name=default", "status.phase=Active", ["default"]),
        (EVENTS, "", "involvedObject.kind=Pod,involvedObject.uid=u1,reason=Started,type=Normal,source=kubelet", ["a.1"]),
        (EVENTS, "", "involvedObject.name=b", []),
        (LEASES, "", "metadata.name=x", []),
    ],
)
def test_selectors(world: World, kind: Kind, labels: str, fields: str, expected: list[str]) -> None:
    assert names(world, kind, labels, fields) == expected


@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        (PODS, "spec.foo=bar", "field label not supported: spec.foo"),
        (SERVICES, "status.phase!=x", "field label not supported: status.phase"),
        (NODES, "metadata.namespace=x", "field label not supported: metadata.namespace"),
        (LEASES, "spec.foo=bar", '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        (IP_ADDRESS_POOLS, "a=b", '"a" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ],
)
def test_fields_that_a_kind_does_not_offer(kind: Kind, fields: str, why: str) -> None:
    world = World()
    labels = "a=b,!c,d,e in (f,g)"
    for verb in (lambda: names(world, kind, labels, fields), lambda: watch(world, kind, labels, fields)):
        error = refused(world, verb, 400)
        assert error.message == (
            f'Unable to find "{kind.group}/{kind.version}, Resource={kind.plural}" that match label selector "{labels}", '
            f'field selector "{fields}": {why}'
        )


def watch(world: World, kind: Kind, labels: str, fields: str) -> None:
    world.registry.watch(kind, "", 0, parse_label_selector(labels), parse_field_selector(fields))
