"""Creates, updates and patches through the registry: who owns what afterwards.

Rows follow structured-merge-diff `merge/update_test.go`-style histories and Kubernetes' `test/integration/apiserver/apply`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.model.cluster import Namespace
from moorage.model.kinds import ENDPOINT_SLICES, LEASES, NAMESPACES, PODS, SERVICES
from moorage.model.meta import Object, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.registry.managed.entries import fields_in
from moorage.registry.managed.ownership import settled
from tests.registry.world import STARTED, World

Tree = dict[str, Any]

WEB = {"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": {"ports": [{"port": 80}]}}
DEFAULTS: Tree = {"f:type": {}, "f:sessionAffinity": {}, "f:internalTrafficPolicy": {}}
PORT = 'k:{"port":80,"protocol":"TCP"}'
PORTS: Tree = {"f:ports": {".": {}, PORT: {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}}}
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def owners(meta: ObjectMeta) -> dict[tuple[str, str, str], Tree]:
    return {(each.manager, each.operation, each.subresource): fields_in(each) for each in meta.managed_fields or ()}


def web(world: World) -> ObjectMeta:
    return world.get(Service, "web").metadata


def test_a_create_owns_what_it_set_and_what_defaulting_added() -> None:
    """Not what the server allocates (clusterIP), and no status. Source: `fieldmanager/fieldmanager_test.go`."""
    world = World()
    world.create(SERVICES, {**WEB, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, manager="me")
    fields = {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {**PORTS, **DEFAULTS}}
    assert owners(web(world)) == {("me", "Update", ""): fields}
    entry = (web(world).managed_fields or ())[0]
    assert (entry.api_version, entry.fields_type, entry.time) == ("v1", "FieldsV1", STARTED)


def test_who_has_no_name_is_unknown() -> None:
    """Source: `managedfields/internal/buildmanagerinfo.go`."""
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "n"}})
    labels: Tree = {"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}}}}
    assert owners(world.get(Namespace, "n", "").metadata) == {("unknown", "Update", ""): labels}


def test_who_changes_a_field_owns_it() -> None:
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    world.now += 60
    world.update(SERVICES, "web", {**WEB, "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, manager="updater")
    changed: Tree = {"f:spec": {"f:ports": {PORT: {"f:targetPort": {}}}}}
    found = owners(web(world))
    assert found[("updater", "Update", "")] == changed
    assert "f:targetPort" not in found[("creator", "Update", "")]["f:spec"]["f:ports"][PORT]
    times = {each.manager: each.time for each in web(world).managed_fields or ()}
    assert times == {"creator": STARTED, "updater": "2023-11-14T22:14:20Z"}


def test_what_is_removed_belongs_to_nobody() -> None:
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    world.merge(SERVICES, "web", {"metadata": {"labels": None}})
    assert owners(web(world)) == {("creator", "Update", ""): {"f:spec": {**PORTS, **DEFAULTS}}}
    world.merge(SERVICES, "web", {"metadata": {"labels": {"x": "y"}}})
    assert owners(web(world))[("unknown", "Update", "")] == {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}


def test_a_write_that_changes_nothing_is_no_write() -> None:
    """Source: TestNoSemanticUpdatePutSameResourceVersion, `fieldmanager/equality.go`."""
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    revision = world.store.revision
    world.now += 60
    world.update(SERVICES, "web", WEB, manager="other")
    world.merge(SERVICES, "web", {"metadata": {"labels": {"a": "b"}}})
    world.merge(SERVICES, "web", {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}})
    assert world.store.revision == revision


def test_a_status_is_owned_through_its_subresource() -> None:
    """Source: TestSubresourceField; the fields that a strategy resets (GetResetFields) are nobody's."""
    world = World()
    world.create(PODS, POD, manager="creator")
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.update(PODS, "p", {**POD, "status": status}, "status", manager="kubelet")
    found = owners(world.get(Pod, "p").metadata)
    ready: Tree = {".": {}, "f:type": {}, "f:status": {}}
    assert found[("kubelet", "Update", "status")]["f:status"]["f:conditions"] == {".": {}, 'k:{"type":"Ready"}': ready}
    assert set(found[("kubelet", "Update", "status")]) == {"f:status"}
    assert "f:status" not in found[("creator", "Update", "")]


def test_managed_fields_are_not_set_through_a_subresource() -> None:
    """Source: TestApplyDoesNotChangeManagedFieldsViaSubresources."""
    world = World()
    world.create(PODS, POD, manager="creator")
    before = world.get(Pod, "p").metadata.managed_fields
    world.merge(PODS, "p", {"metadata": {"managedFields": [{}]}}, "status")
    assert world.get(Pod, "p").metadata.managed_fields == before


@pytest.mark.parametrize("given", [[{}], []])
def test_owners_can_be_forgotten_and_stay_so(given: list[Tree]) -> None:
    """Source: TestClearManagedFieldsWithMergePatch, TestClearManagedFieldsWithUpdateEmptyList."""
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    world.merge(SERVICES, "web", {"metadata": {"managedFields": given, "labels": {"c": "d"}}})
    assert web(world).managed_fields is None
    world.merge(SERVICES, "web", {"metadata": {"labels": {"e": "f"}}})
    assert web(world).managed_fields is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "Delete"},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"f:a": 1}},
        {"fieldsV1": []},
        {"fieldsV1": {"k:{": {}}},
        {"time": "yesterday"},
        {"manager": "m" * 129},
    ],
)
def test_entries_that_cannot_be_read_are_not_taken(wrong: Tree) -> None:
    """Source: TestErrorsDontFailUpdate; upstream refuses names that are too long, here they are passed over as well."""
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    before = web(world).managed_fields
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}}
    world.merge(SERVICES, "web", {"metadata": {"managedFields": [{**entry, **wrong}]}})
    assert web(world).managed_fields == before


def test_entries_can_be_written_directly() -> None:
    """Source: TestRenamingUpdatedFieldManagers; kubectl moves from client-side to server-side apply so."""
    world = World()
    world.create(SERVICES, WEB, manager="old")
    entries = msgspec.json.decode(msgspec.json.encode(web(world).managed_fields))
    world.merge(SERVICES, "web", {"metadata": {"managedFields": [{**entries[0], "manager": "new"}]}})
    assert list(owners(web(world))) == [("new", "Update", "")]


def test_a_body_without_entries_keeps_those_that_are_stored() -> None:
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    world.update(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "c"}}}, manager="old-client")
    assert set(owners(web(world))) == {("creator", "Update", ""), ("old-client", "Update", "")}


def test_old_updates_are_united_when_there_are_too_many() -> None:
    """Source: TestApplyGroupsManySeparateUpdates, `managedfields/internal/capmanagers_test.go`."""
    world = World()
    world.create(SERVICES, WEB, manager="creator")
    for number in range(12):
        world.now += 60
        labels = {f"l{index}": "x" for index in range(number + 1)}
        world.update(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "b", **labels}}}, manager=f"m{number:02}")
    found = owners(web(world))
    assert len(found) == 10
    labels = found[("ancient-changes", "Update", "")]["f:metadata"]["f:labels"]
    assert {"f:a", "f:l0", "f:l1", "f:l2"} == set(labels) - {"."}
    assert ("m03", "Update", "") in found


def test_kinds_without_status_and_slices() -> None:
    world = World()
    world.create(LEASES, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "x"}}, manager="m")
    tree = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}] * 50}
    record = world.create(ENDPOINT_SLICES, tree, manager="m").record
    entry = msgspec.json.decode(record.body)["metadata"]["managedFields"][0]
    assert entry["fieldsV1"] == {"f:addressType": {}, "f:endpoints": {}}


def test_times_alone_are_no_change() -> None:
    def at(time: str, name: str = "m") -> Object:
        world = World()
        world.create(SERVICES, WEB, manager=name)
        obj = world.get(Service, "web")
        entries = tuple(msgspec.structs.replace(each, time=time) for each in obj.metadata.managed_fields or ())
        return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, managed_fields=entries))

    old, new = at("2023-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z")
    assert settled(old, new) == old
    other = at("2024-01-01T00:00:00Z", "other")
    assert settled(old, other) is other
