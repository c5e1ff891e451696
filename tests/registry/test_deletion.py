"""Finalizers, preconditions, and namespaces with what lives in them."""

from __future__ import annotations

import asyncio

import pytest

from moorage.model.cluster import Namespace
from moorage.model.kinds import ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES
from moorage.model.ports import DELETED, WriteOptions
from moorage.model.service import Service
from tests.registry.world import STARTED, World, causes, key, refused


def with_finalizer(world: World, namespace: str = "default") -> None:
    metadata = {"name": "web", "finalizers": ["example.com/lb"]}
    world.create(SERVICES, {"metadata": metadata, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}, namespace)


def test_an_object_goes_when_its_last_finalizer_goes() -> None:
    world = World()
    with_finalizer(world)
    outcome = world.delete(SERVICES, "web")
    assert not outcome.deleted
    meta = world.get(Service, "web").metadata
    assert (meta.deletion_timestamp, meta.deletion_grace_period_seconds) == (STARTED, 0)
    assert len(world.held("clusterip")) == 1
    revision = world.store.revision
    assert not world.delete(SERVICES, "web").deleted
    assert world.store.revision == revision
    assert world.merge(SERVICES, "web", {"metadata": {"finalizers": None}}).deleted
    assert not world.exists(SERVICES, "web")
    assert (dict(world.held("clusterip")), dict(world.held("nodeport"))) == ({}, {})


def test_no_finalizer_is_added_to_what_is_going() -> None:
    world = World()
    with_finalizer(world)
    world.delete(SERVICES, "web")
    patch = {"metadata": {"finalizers": ["example.com/lb", "example.com/b", "example.com/a"]}}
    error = refused(world, lambda: world.merge(SERVICES, "web", patch), 422)
    assert causes(error) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
        '[]string{"example.com/a", "example.com/b"}'
    ]


def test_a_pod_with_grace_and_finalizer_waits_for_both() -> None:
    world = World()
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}
    world.create(PODS, {"metadata": {"name": "web", "finalizers": ["example.com/a"]}, "spec": spec})
    world.delete(PODS, "web")
    assert not world.merge(PODS, "web", {"metadata": {"finalizers": None}}).deleted
    assert world.delete(PODS, "web", grace_seconds=0).deleted


def test_preconditions() -> None:
    world = World()
    uid = world.service().metadata.uid
    error = refused(world, lambda: world.delete(SERVICES, "web", uid="other"), 409)
    assert error.message == (
        'Operation cannot be fulfilled on services "web": Precondition failed: UID in precondition: other, '
        f"UID in object meta: {uid}"
    )
    error = refused(world, lambda: world.delete(SERVICES, "web", resource_version="1"), 409)
    assert "Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: 4" in error.message
    assert world.delete(SERVICES, "web", uid=uid, resource_version="4").deleted


def test_the_last_state_carries_the_deleting_revision() -> None:
    world = World()
    world.service()
    outcome = world.delete(SERVICES, "web")
    assert outcome.record.revision == world.store.revision
    assert f'"resourceVersion":"{world.store.revision}"'.encode() in outcome.record.body


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-node-lease"])
def test_permanent_namespaces(name: str) -> None:
    world = World()
    if name != "default":
        world.create(NAMESPACES, {"metadata": {"name": name}})
    error = refused(world, lambda: world.delete(NAMESPACES, name), 403)
    assert error.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


def test_a_new_namespace() -> None:
    """namespaceStrategy.PrepareForCreate; the label is that of KEP-2161."""
    world = World()
    found = world.get(Namespace, "default")
    assert (found.status.phase, found.spec.finalizers) == ("Active", ("kubernetes",))
    assert found.metadata.labels == {"kubernetes.io/metadata.name": "default"}
    world.merge(NAMESPACES, "default", {"metadata": {"labels": None}, "spec": {"finalizers": None}})
    assert world.get(Namespace, "default") == found


def team(world: World) -> None:
    world.create(NAMESPACES, {"metadata": {"name": "team"}})
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}
    world.create(PODS, {"metadata": {"name": "web"}, "spec": spec}, "team")
    world.create(ENDPOINT_SLICES, {"metadata": {"name": "web-1"}, "addressType": "IPv4"}, "team")


def test_a_namespace_takes_its_contents_along() -> None:
    world = World()
    team(world)
    since = world.store.revision
    assert world.delete(NAMESPACES, "team").deleted
    for kind, name in ((PODS, "web"), (ENDPOINT_SLICES, "web-1")):
        assert not world.exists(kind, name, "team")
    assert world.store.revision == since + 3
    with_event = world.store.watch(PODS.resource, since)
    (event,) = asyncio.run(with_event.next(0))
    assert (event.type, event.record.key) == (DELETED, key(PODS, "web", "team"))


def test_a_namespace_waits_for_finalizers_inside() -> None:
    world = World()
    team(world)
    with_finalizer(world, "team")
    assert not world.delete(NAMESPACES, "team").deleted
    found = world.get(Namespace, "team")
    assert (found.status.phase, found.metadata.deletion_timestamp) == ("Terminating", STARTED)
    assert not world.exists(PODS, "web", "team")
    tree = {"metadata": {"name": "late"}, "spec": {"ports": [{"port": 80}]}}
    error = refused(world, lambda: world.create(SERVICES, tree, "team"), 403)
    assert error.message == (
        'services "late" is forbidden: unable to create new content in namespace team because it is being terminated'
    )
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"
    revision = world.store.revision
    assert not world.delete(NAMESPACES, "team").deleted
    assert world.store.revision == revision
    tree = {"metadata": {"name": "web", "namespace": "team"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    asyncio.run(world.registry.update(SERVICES, key(SERVICES, "web", "team"), tree, WriteOptions()))
    assert not world.exists(SERVICES, "web", "team")
    assert not world.exists(NAMESPACES, "team")


def test_a_namespace_waits_for_its_own_finalizer() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "team", "finalizers": ["example.com/a"]}})
    assert not world.delete(NAMESPACES, "team").deleted
    assert world.merge(NAMESPACES, "team", {"metadata": {"finalizers": None}}).deleted
