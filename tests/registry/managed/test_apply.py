"""Server-side apply through the registry. Rows cite KEP-555, structured-merge-diff `merge/*_test.go` and Kubernetes'
`test/integration/apiserver/apply/apply_test.go`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from moorage.model.errors import ApiError
from moorage.model.kinds import IP_ADDRESS_POOLS, NODES, PODS, SERVICES
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.registry.managed.entries import fields_in
from moorage.registry.managed.fieldset import paths, text
from tests.registry.world import World, refused

Tree = dict[str, Any]

HTTP = {"port": 80, "name": "http"}
WEB: Tree = {"spec": {"selector": {"app": "web"}, "ports": [HTTP]}}


def service(world: World, name: str = "web") -> Service:
    return world.get(Service, name)


def owned(world: World, manager: str, name: str = "web") -> list[str]:
    """The paths that an applier owns."""
    entries = service(world, name).metadata.managed_fields or ()
    found = [each for each in entries if (each.manager, each.operation) == (manager, "Apply")]
    return [text(path) for each in found for path in paths(fields_in(each))]


def conflicts(world: World, call: Callable[[], Any]) -> ApiError:
    return refused(world, call, 409)


def test_apply_creates_what_is_absent() -> None:
    """Source: TestApplyAlsoCreates."""
    world = World()
    outcome = world.apply(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "b"}}}, "me")
    assert outcome.created
    assert owned(world, "me") == [
        ".metadata.labels.a",
        ".spec.selector",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].name',
        '.spec.ports[port=80,protocol="TCP"].port',
    ]


def test_applying_again_changes_nothing() -> None:
    """Source: TestNoOpUpdateSameResourceVersion, TestNoSemanticUpdateApplySameResourceVersion."""
    world = World()
    world.apply(SERVICES, "web", {"spec": {**WEB["spec"], "type": "NodePort"}}, "me")
    first, revision = service(world), world.store.revision
    world.now += 60
    outcome = world.apply(SERVICES, "web", {"spec": {**WEB["spec"], "type": "NodePort"}}, "me")
    assert (outcome.created, world.store.revision) == (False, revision)
    assert service(world) == first


def test_what_the_server_gave_survives_a_change() -> None:
    world = World()
    world.apply(SERVICES, "web", {"spec": {**WEB["spec"], "type": "NodePort"}}, "me")
    first = service(world).spec
    more = [HTTP, {"port": 443, "name": "https"}]
    world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}, "type": "NodePort", "ports": more}}, "me")
    now = service(world).spec
    assert (now.cluster_ip, now.ports[0]) == (first.cluster_ip, first.ports[0])
    assert [each.port for each in now.ports] == [80, 443]


def test_what_is_no_longer_applied_goes() -> None:
    """Source: KEP-555 "Deletion", TestApplyUnsetExclusivelyOwnedFields."""
    world = World()
    world.apply(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "b", "c": "d"}}}, "me")
    world.apply(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "b"}}}, "me")
    assert service(world).metadata.labels == {"a": "b"}
    world.apply(SERVICES, "web", {"spec": {**WEB["spec"], "ports": [{"port": 81}]}}, "me")
    assert service(world).metadata.labels == {}
    assert [(each.port, each.name) for each in service(world).spec.ports] == [(81, "")]


def test_what_others_own_stays() -> None:
    """Source: TestApplyUnsetSharedFields, KEP-555 "shared ownership"."""
    world = World()
    world.apply(SERVICES, "web", {**WEB, "metadata": {"labels": {"a": "b"}}}, "one")
    world.apply(SERVICES, "web", {"metadata": {"labels": {"a": "b", "x": "y"}}}, "two")
    world.apply(SERVICES, "web", WEB, "one")
    assert service(world).metadata.labels == {"a": "b", "x": "y"}
    world.merge(SERVICES, "web", {"metadata": {"labels": {"p": "q"}}})
    world.apply(SERVICES, "web", {"metadata": {"labels": {}}}, "two")
    assert service(world).metadata.labels == {"p": "q"}


def test_a_struct_goes_with_its_last_owner_and_its_defaults() -> None:
    """Source: structured-merge-diff `merge/nested_test.go`, `fieldpath/set.go` EnsureNamedFieldsAreMembers."""
    world = World()
    sticky = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}}}
    world.apply(SERVICES, "web", {"spec": {**WEB["spec"], **sticky}}, "me")
    world.apply(SERVICES, "web", WEB, "me")
    assert service(world).spec.session_affinity_config is None
    assert service(world).spec.session_affinity == "None"


def test_a_field_of_somebody_else_conflicts() -> None:
    """Wording: apimachinery `managedfields/internal/conflict_test.go`."""
    world = World()
    world.create(SERVICES, {"metadata": {"name": "web"}, **WEB}, manager="kubectl-create")
    error = conflicts(world, lambda: world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "me"))
    why = 'conflict with "kubectl-create" using v1'
    assert (error.reason, error.message) == ("Conflict", f"Apply failed with 1 conflict: {why}: .spec.selector")
    assert error.details == {"causes": [{"reason": "FieldManagerConflict", "message": why, "field": ".spec.selector"}]}


def test_conflicts_with_several_managers_are_listed_by_manager() -> None:
    world = World()
    world.apply(SERVICES, "web", WEB, "b")
    world.apply(SERVICES, "web", {"metadata": {"labels": {"x": "y"}}}, "a")
    other = {"metadata": {"labels": {"x": "z"}}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "name": "h"}]}}
    error = conflicts(world, lambda: world.apply(SERVICES, "web", other, "me"))
    assert error.message.splitlines() == [
        'Apply failed with 3 conflicts: conflicts with "a":',
        "- .metadata.labels.x",
        'conflicts with "b":',
        "- .spec.selector",
        '- .spec.ports[port=80,protocol="TCP"].name',
    ]


def test_a_conflict_through_a_subresource_says_so() -> None:
    world = World()
    world.create(NODES, {"metadata": {"name": "n", "labels": {"a": "b"}}})

    def ready(status: str) -> Tree:
        return {"status": {"conditions": [{"type": "Ready", "status": status}]}}

    world.merge(NODES, "n", ready("True"), "status")
    error = conflicts(world, lambda: world.apply(NODES, "n", ready("False"), "me", "status"))
    assert (
        'conflict with "unknown" with subresource "status" using v1: .status.conditions[type="Ready"].status' in error.message
    )


def test_force_takes_the_field() -> None:
    """Source: TestApplyUpdateApplyConflictForced."""
    world = World()
    world.apply(SERVICES, "web", WEB, "one")
    world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "two", force=True)
    assert service(world).spec.selector == {"app": "x"}
    assert owned(world, "two") == [".spec.selector"]
    assert ".spec.selector" not in owned(world, "one")
    conflicts(world, lambda: world.apply(SERVICES, "web", WEB, "one"))


def test_the_same_value_is_shared_without_conflict() -> None:
    world = World()
    world.apply(SERVICES, "web", WEB, "one")
    world.apply(SERVICES, "web", {"spec": {"selector": {"app": "web"}}}, "two")
    assert owned(world, "two") == [".spec.selector"]
    assert ".spec.selector" in owned(world, "one")


def test_an_updated_field_is_lost_to_its_applier() -> None:
    """Source: KEP-555; the applier's next apply conflicts with the updater."""
    world = World()
    world.apply(SERVICES, "web", WEB, "me")
    world.merge(SERVICES, "web", {"spec": {"selector": {"app": "x"}}})
    assert ".spec.selector" not in owned(world, "me")
    conflicts(world, lambda: world.apply(SERVICES, "web", WEB, "me"))


def test_ownership_can_be_handed_over() -> None:
    """Source: TestApplyCanTransferFieldOwnershipToController."""
    world = World()
    world.apply(SERVICES, "web", {**WEB, "metadata": {"annotations": {"a": "1"}}}, "me")
    world.merge(SERVICES, "web", {"metadata": {"annotations": {"a": "2"}}})
    world.apply(SERVICES, "web", WEB, "me")
    assert service(world).metadata.annotations == {"a": "2"}


def test_before_the_first_apply_nobody_was_recorded() -> None:
    """Source: `managedfields/internal/skipnonapplied_test.go`."""
    world = World()
    world.create(SERVICES, {"metadata": {"name": "web"}, **WEB})
    world.merge(SERVICES, "web", {"metadata": {"managedFields": [{}]}})
    error = conflicts(world, lambda: world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "me"))
    assert 'conflict with "before-first-apply" using v1: .spec.selector' in error.message
    world.apply(SERVICES, "web", WEB, "me")
    managers = [each.manager for each in service(world).metadata.managed_fields or ()]
    assert managers == ["me", "before-first-apply"]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def client_side(world: World) -> None:
    """What `kubectl apply` leaves behind."""
    said = json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, **WEB})
    metadata = {"name": "web", "annotations": {LAST_APPLIED: said}}
    world.create(SERVICES, {"metadata": metadata, **WEB}, manager="kubectl-client-side-apply")


def test_kubectl_takes_over_from_client_side_apply() -> None:
    """Source: TestUpgradeClientSideToServerSideApply, `managedfields/internal/lastappliedmanager_test.go`."""
    world = World()
    client_side(world)
    changed: Tree = {"spec": {**WEB["spec"], "selector": {"app": "x"}}}
    conflicts(world, lambda: world.apply(SERVICES, "web", changed, "other"))
    world.apply(SERVICES, "web", changed, "kubectl")
    assert service(world).spec.selector == {"app": "x"}
    said = json.loads(service(world).metadata.annotations[LAST_APPLIED])
    assert said["spec"]["selector"] == {"app": "x"}


def test_kubectl_does_not_take_what_others_changed_since() -> None:
    world = World()
    client_side(world)
    world.merge(SERVICES, "web", {"spec": {"selector": {"app": "y"}}})
    error = conflicts(world, lambda: world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "kubectl"))
    assert error.message == 'Apply failed with 1 conflict: conflict with "unknown" using v1: .spec.selector'


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"apiVersion":"v2"}', '{"apiVersion":"v1","spec":[]}', '{"apiVersion":"v1","spec":{"ports":1}}']
)
def test_a_broken_annotation_gives_kubectl_nothing(said: str) -> None:
    world = World()
    client_side(world)
    world.merge(SERVICES, "web", {"metadata": {"annotations": {LAST_APPLIED: said}}})
    conflicts(world, lambda: world.apply(SERVICES, "web", {"spec": {"selector": {"app": "x"}}}, "kubectl"))


def test_a_resource_version_is_checked() -> None:
    """Source: TestApplyFailsWithVersionMismatch."""
    world = World()
    world.apply(SERVICES, "web", WEB, "me")
    stale = {**WEB, "metadata": {"resourceVersion": "1"}}
    assert "the object has been modified" in conflicts(world, lambda: world.apply(SERVICES, "web", stale, "me")).message
    current = {**WEB, "metadata": {"resourceVersion": service(world).metadata.resource_version, "labels": {"a": "b"}}}
    world.apply(SERVICES, "web", current, "me")
    assert service(world).metadata.labels == {"a": "b"}


def test_a_uid_names_an_object_that_exists() -> None:
    """Source: TestCreateOnApplyFailsWithUID."""
    world = World()
    error = conflicts(world, lambda: world.apply(SERVICES, "web", {**WEB, "metadata": {"uid": "u"}}, "me"))
    assert error.message.endswith("uid mismatch: the provided object specified uid u, and no existing object was found")


def test_a_status_can_be_applied_and_not_made() -> None:
    """Source: `test/integration/apiserver/apply/status_test.go`, reset_fields_test.go."""
    world = World()
    status = {"spec": {"selector": {"no": "way"}}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    refused(world, lambda: world.apply(SERVICES, "web", status, "me", "status"), 404)
    world.apply(SERVICES, "web", {"spec": {**WEB["spec"], "type": "LoadBalancer"}}, "me")
    world.apply(SERVICES, "web", status, "lb", "status")
    assert service(world).status.load_balancer.ingress[0].ip == "192.0.2.1"
    assert service(world).spec.selector == {"app": "web"}
    assert owned(world, "lb") == [".status.loadBalancer.ingress"]


def test_the_default_of_a_missing_key_tells_items_apart() -> None:
    """Source: TestDefaultMissingKeys: a port without a protocol is the TCP one."""
    world = World()
    world.apply(SERVICES, "web", WEB, "me")
    world.apply(SERVICES, "web", {"spec": {"ports": [{"port": 80, "protocol": "UDP", "name": "u"}]}}, "other")
    assert [(each.port, each.protocol, each.name) for each in service(world).spec.ports] == [
        (80, "TCP", "http"),
        (80, "UDP", "u"),
    ]


def test_containers_are_merged_by_name() -> None:
    """Source: TestApplyRemoveContainerPort, and defaults that stay where they are."""
    world = World()

    def pod(**container: Any) -> Tree:
        return {"spec": {"containers": [{"name": "c", "image": "i", **container}]}}

    world.apply(PODS, "p", pod(), "me")
    world.apply(PODS, "p", {"spec": {"containers": [{"name": "c", "image": "j"}]}}, "me")
    container = world.get(Pod, "p").spec.containers[0]
    assert (container.image, container.image_pull_policy) == ("j", "Always")


def test_a_kind_of_a_custom_resource_definition() -> None:
    world = World()
    world.apply(IP_ADDRESS_POOLS, "p", {"spec": {"addresses": ["198.18.0.0/24"]}}, "me")
    world.apply(IP_ADDRESS_POOLS, "p", {"spec": {"addresses": ["198.18.1.0/24"]}}, "me")
    record = world.registry.get(IP_ADDRESS_POOLS, next(iter(world.store.list(IP_ADDRESS_POOLS.resource)[0])).key)
    tree = msgspec.json.decode(record.body)
    assert tree["spec"]["addresses"] == ["198.18.1.0/24"]
    assert tree["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:addresses": {}}}


BODY = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"apiVersion": "v2"}, "invalid object type: /v2, Kind=Service"),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, "invalid object type: apps/v1, Kind=Deployment"),
        ({"apiVersion": None, "kind": None}, "invalid object type: /, Kind="),
        ({"metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
        ({"metadata": {"managedFields": [{}]}}, "metadata.managedFields must be nil"),
        ({"metadata": {"name": "other"}}, "the name of the object (other) does not match the name on the URL (web)"),
        (
            {"spec": {"foo": 1}},
            "failed to create typed patch object (default/web; /v1, Kind=Service): .spec.foo: field not declared in schema",
        ),
        (
            {"spec": {"ports": [{"port": 80, "foo": 1}]}},
            '.spec.ports[port=80,protocol="TCP"].foo: field not declared in schema',
        ),
        ({"spec": {"ports": [HTTP, HTTP]}}, '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]'),
        (
            {"metadata": {"ownerReferences": [{"name": "x"}]}},
            '.metadata.ownerReferences: element 0: associative list with keys has an element that omits all key fields ["uid"]',
        ),
        ({"spec": {"ports": {}}}, "cannot unmarshal object into field spec.ports of type array"),
    ],
)
def test_what_cannot_be_applied(tree: Tree, message: str) -> None:
    """Wording: structured-merge-diff `typed/validate.go`, apimachinery `versioncheck.go`, `structuredmerge.go`."""
    world = World()
    error = refused(world, lambda: world.apply(SERVICES, "web", {"metadata": {}, **tree}, "me"), 400)
    assert message in error.message


def test_all_problems_are_told_at_once() -> None:
    world = World()
    error = refused(
        world, lambda: world.apply(SERVICES, "web", {"bar": 1, "spec": {"ports": [HTTP, HTTP], "foo": 2}}, "me"), 400
    )
    assert error.message.splitlines()[1:] == [
        "  .bar: field not declared in schema",
        "  .spec.foo: field not declared in schema",
        '  .spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
    ]
