"""Metadata through the verbs: names, labels, versions, what only the server sets."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

import re
from typing import Any

import pytest

from moorage.model.cluster import Lease, Namespace
from moorage.model.kinds import IP_ADDRESS_POOLS, LEASES, NAMESPACES, PODS, SERVICES
from moorage.model.pods import Pod
from moorage.model.service import Service
from tests.registry.world import STARTED, World, causes, refused

PODLIKE = {"containers": [{"name": "c", "image": "i"}]}


def test_the_server_fills_in_its_own_fields() -> None:
    world = World()
    metadata = {
        "name": "web",
        "uid": "mine",
        "creationTimestamp": "2000-01-01T00:00:00Z",
        "generation": 7,
        "managedFields": [{}],
    }
    deleting = {"deletionTimestamp": "2000-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    world.create(PODS, {"metadata": {**metadata, **deleting}, "spec": PODLIKE})
    found = world.get(Pod, "web").metadata
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", found.uid)
    assert (found.creation_timestamp, found.namespace, found.generation) == (STARTED, "default", 1)
    assert (found.deletion_timestamp, found.deletion_grace_period_seconds) == (None, None)
    assert [each.manager for each in found.managed_fields or ()] == ["unknown"]
    assert found.resource_version == str(world.store.revision)


def test_names_are_made_from_generate_name() -> None:
    world = World()
    names = {world.create(PODS, {"metadata": {"generateName": "web-"}, "spec": PODLIKE}).record.key.name for _ in range(30)}
    assert len(names) == 30
    assert all(re.fullmatch(r"web-[bcdfghjklmnpqrstvwxz2456789]{5}", each) for each in names)
    long = world.create(PODS, {"metadata": {"generateName": "a" * 100}, "spec": PODLIKE}).record.key.name
    assert re.fullmatch(r"a{58}[a-z2-9]{5}", long)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, ["metadata.name: Required value: name or generateName is required"]),
        ({"name": "Web"}, [r'metadata.name: Invalid value: "Web": a lowercase RFC 1123 label must consist of']),
        ({"generateName": "_-"}, ['metadata.generateName: Invalid value: "_-": a lowercase RFC 1123', "metadata.name: Invalid value"]),
        ({"name": "a", "labels": {"a": "b c"}}, ['metadata.labels: Invalid value: "b c": a valid label must be an empty']),
        ({"name": "a", "labels": {"": "b"}}, ['metadata.labels: Invalid value: "": name part must be non-empty', "metadata.labels: "]),
        ({"name": "a", "annotations": {"A B": ""}}, ['metadata.annotations: Invalid value: "A B": name part must consist']),
        ({"name": "a", "annotations": {"UPPER/Case": "x"}}, []),
        ({"name": "a", "annotations": {"a": "x" * 262144}}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
        ({"name": "a", "finalizers": ["a b"]}, ['metadata.finalizers: Invalid value: "a b": name part']),
        (
            {"name": "a", "ownerReferences": [{}]},
            [
                'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
                'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
                'metadata.ownerReferences.name: Invalid value: "": must not be empty',
                'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
            ],
        ),
        (
            {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": str(n), "uid": "u", "controller": True} for n in (1, 2)]},
            ["metadata.ownerReferences: Invalid value: "],
        ),
    ],
)  # fmt: skip
def test_metadata_rules(metadata: dict[str, Any], expected: list[str]) -> None:
    world = World()
    tree = {"metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    if not expected:
        world.create(SERVICES, tree)
        return
    found = causes(refused(world, lambda: world.create(SERVICES, tree), 422))
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


@pytest.mark.parametrize("field", ["creationTimestamp", "deletionTimestamp"])
def test_times_of_the_server_are_immutable(field: str) -> None:
    world = World()
    world.service()
    patch = {"metadata": {field: "2000-01-01T00:00:00Z"}}
    error = refused(world, lambda: world.merge(SERVICES, "web", patch), 422)
    assert causes(error) == [f'metadata.{field}: Invalid value: "2000-01-01T00:00:00Z": field is immutable']


def test_a_patch_cannot_rename() -> None:
    """Upstream: `checkName` in apiserver `pkg/endpoints/handlers/patch.go` comes before validation."""
    world = World()
    world.service()
    error = refused(world, lambda: world.merge(SERVICES, "web", {"metadata": {"name": "other"}}), 400)
    assert error.message == "the name of the object (other) does not match the name on the URL (web)"


def test_a_stale_version_conflicts_and_no_version_overwrites() -> None:
    world = World()
    service = world.service()
    tree = {"spec": {"ports": [{"port": 81}]}}
    stale = {"metadata": {"resourceVersion": service.metadata.resource_version}, **tree}
    world.update(SERVICES, "web", tree)
    error = refused(world, lambda: world.update(SERVICES, "web", stale), 409)
    assert error.message == (
        'Operation cannot be fulfilled on services "web": the object has been modified; please apply your changes to the '
        "latest version and try again"
    )
    world.update(SERVICES, "web", {"spec": {"ports": [{"port": 82}]}})
    assert world.get(Service, "web").spec.ports[0].port == 82


@pytest.mark.parametrize("kind", [LEASES, IP_ADDRESS_POOLS], ids=lambda kind: kind.kind)
def test_some_kinds_need_a_version(kind: Any) -> None:
    world = World()
    tree = {"spec": {"addresses": ["198.18.100.0/24"]}} if kind is IP_ADDRESS_POOLS else {"spec": {}}
    world.create(kind, {"metadata": {"name": "a"}, **tree})
    error = refused(world, lambda: world.update(kind, "a", tree), 422)
    assert causes(error) == ["metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"]


def test_another_incarnation_conflicts() -> None:
    world = World()
    uid = world.service().metadata.uid
    tree = {"metadata": {"uid": "other"}, "spec": {"ports": [{"port": 81}]}}
    error = refused(world, lambda: world.update(SERVICES, "web", tree), 409)
    assert error.message.endswith(f"Precondition failed: UID in precondition: other, UID in object meta: {uid}")


def test_a_name_or_namespace_beside_the_url_is_a_400() -> None:
    world = World()
    world.service()
    tree = {"metadata": {"name": "other"}, "spec": {"ports": [{"port": 80}]}}
    error = refused(world, lambda: world.update(SERVICES, "web", tree), 400)
    assert error.message == "the name of the object (other) does not match the name on the URL (web)"
    tree = {"metadata": {"name": "web", "namespace": "other"}, "spec": {"ports": [{"port": 80}]}}
    for call in (lambda: world.create(SERVICES, tree), lambda: world.update(SERVICES, "web", tree)):
        error = refused(world, call, 400)
        assert error.message == "the namespace of the provided object does not match the namespace sent on the request"


def test_a_new_object_has_no_version() -> None:
    world = World()
    tree = {"metadata": {"name": "web", "resourceVersion": "5"}, "spec": {"ports": [{"port": 80}]}}
    error = refused(world, lambda: world.create(SERVICES, tree), 400)
    assert error.message == "resourceVersion should not be set on objects to be created"


def test_put_makes_what_is_missing_for_some_kinds() -> None:
    world = World()
    assert world.update(LEASES, "node-1", {"spec": {"holderIdentity": "node-1"}}).created
    assert world.get(Lease, "node-1").spec.holder_identity == "node-1"
    error = refused(world, lambda: world.update(PODS, "web", {"spec": PODLIKE}), 404)
    assert error.message == 'pods "web" not found'


def test_generation_counts_what_is_wanted() -> None:
    world = World()
    world.create(PODS, {"metadata": {"name": "web"}, "spec": PODLIKE})
    world.merge(PODS, "web", {"metadata": {"labels": {"a": "b"}}})
    world.merge(PODS, "web", {"status": {"phase": "Running"}}, "status")
    assert world.get(Pod, "web").metadata.generation == 1
    world.merge(PODS, "web", {"spec": {"containers": [{"name": "c", "image": "j"}]}})
    assert world.get(Pod, "web").metadata.generation == 2


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "team", "namespace": "default"}})
    assert world.get(Namespace, "team").metadata.namespace == ""
