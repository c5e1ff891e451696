"""Owner references and the three policies, against the real registry. Rows are numbered as the rules of upstream's
`pkg/controller/garbagecollector/garbagecollector.go` (attemptToDeleteItem, attemptToOrphan) and its e2e tests.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moorage.control.garbage import COLLECTED, GarbageCollector
from moorage.manifest.convert import load
from moorage.model.config import ConfigMap, Secret
from moorage.model.errors import ApiError
from moorage.model.kinds import BY_NAME, BY_TYPE, CONFIG_MAPS, INGRESS_CLASSES, NAMESPACES, SECRETS, Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import DeleteOptions, WriteOptions
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Collect, MergePatch, Note, Verb
from tests.registry.world import World, merged


class Cluster(World):
    """A registry with its garbage collector. `behind` are kinds whose newest state the collector has not heard of."""

    def __init__(self) -> None:
        super().__init__()
        self.collector = GarbageCollector()
        self.seen = Snapshot()
        self.planned: list[Verb] = []
        self.create(NAMESPACES, {"metadata": {"name": "other"}})

    def make(self, kind: Kind, name: str, *owners: Object, namespace: str = "default", **meta: Any) -> Any:
        """A ConfigMap or Secret that is owned; every reference blocks."""
        references = [
            {
                "apiVersion": BY_TYPE[type(each)].api_version,
                "kind": BY_TYPE[type(each)].kind,
                "name": each.metadata.name,
                "uid": each.metadata.uid,
                "blockOwnerDeletion": True,
            }
            for each in owners
        ]
        spec = {"spec": {"controller": "example.com/none"}} if kind is INGRESS_CLASSES else {}
        outcome = self.create(kind, {"metadata": {"name": name, "ownerReferences": references, **meta}, **spec}, namespace)
        return load(kind, outcome.record.body)

    def hear(self, *but: type[Object]) -> Changes:
        keys = {}
        for type_ in COLLECTED:
            if type_ in but:
                continue
            kind = BY_TYPE[type_]
            now = {each.key: load(kind, each.body) for each in self.store.list(kind.resource)[0]}
            was = self.seen.all(type_)
            keys[type_] = frozenset(key for key in {*now, *was} if now.get(key) != was.get(key))
            self.seen = self.seen.with_objects(type_, now)
        return Changes(keys)

    def turn(self, *but: type[Object]) -> list[Verb]:
        """The collector hears what changed, and its plan is performed."""
        changes = self.hear(*but)
        plan = self.collector.reconcile(self.seen, changes, self.now)
        for verb in plan.verbs:
            self._perform(verb)
        self.planned += plan.verbs
        return list(plan.verbs)

    def settle(self) -> None:
        for _ in range(20):
            if not self.turn():
                return
        raise AssertionError("the collector does not come to rest")

    def _perform(self, verb: Verb) -> None:
        match verb:
            case MergePatch(type_, key, patch):
                kind = BY_TYPE[type_]
                change = self.registry.patch(kind, key, lambda tree: merged(tree, patch), WriteOptions())
                asyncio.run(change)
            case Collect(type_, key, uid, version, owners, propagation):
                if not any(self._found(each.api_version, each.kind, each.name, each.uid, key.namespace) for each in owners):
                    options = DeleteOptions(uid=uid, resource_version=version, propagation=propagation)
                    asyncio.run(self.registry.delete(BY_TYPE[type_], key, options))
            case Note():
                pass
            case _:
                raise AssertionError(verb)

    def _found(self, version: str, name: str, owner: str, uid: str, namespace: str) -> bool:
        kind = BY_NAME[version, name]
        record = self.store.get(kind.resource, Key(namespace if kind.namespaced else "", owner))
        return record is not None and load(kind, record.body).metadata.uid == uid


def test_background_the_owner_goes_at_once_and_its_dependents_after_it() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    middle = cluster.make(SECRETS, "middle", owner)
    cluster.make(CONFIG_MAPS, "leaf", middle)
    cluster.settle()
    assert cluster.planned == []
    assert cluster.delete(CONFIG_MAPS, "owner", propagation="Background").deleted
    cluster.settle()
    assert not cluster.exists(SECRETS, "middle")
    assert not cluster.exists(CONFIG_MAPS, "leaf")


def test_foreground_the_owner_waits_for_those_that_block_it() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.make(SECRETS, "middle", owner, finalizers=["example.com/slow"])
    cluster.settle()
    assert not cluster.delete(CONFIG_MAPS, "owner", propagation="Foreground").deleted
    cluster.settle()
    assert cluster.get(ConfigMap, "owner").metadata.finalizers == ("foregroundDeletion",)
    assert cluster.get(Secret, "middle").metadata.deletion_timestamp is not None
    cluster.merge(SECRETS, "middle", {"metadata": {"finalizers": None}})
    cluster.settle()
    assert not cluster.exists(CONFIG_MAPS, "owner")


def test_foreground_goes_down_through_owners_that_have_dependents_themselves() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    middle = cluster.make(SECRETS, "middle", owner)
    cluster.make(CONFIG_MAPS, "leaf", middle)
    cluster.delete(CONFIG_MAPS, "owner", propagation="Foreground")
    cluster.settle()
    for kind, name in ((CONFIG_MAPS, "owner"), (SECRETS, "middle"), (CONFIG_MAPS, "leaf")):
        assert not cluster.exists(kind, name)
    foreground = [each.key.name for each in cluster.planned if isinstance(each, Collect) and each.propagation == "Foreground"]
    assert foreground == ["middle"]


def test_foreground_without_dependents_goes_at_the_next_look() -> None:
    cluster = Cluster()
    cluster.make(CONFIG_MAPS, "owner")
    cluster.delete(CONFIG_MAPS, "owner", propagation="Foreground")
    cluster.settle()
    assert not cluster.exists(CONFIG_MAPS, "owner")


def test_a_circle_of_owners_ends() -> None:
    """Source: `unblockOwnerReferencesPatch`, for circles such as A owns B owns A."""
    cluster = Cluster()
    first = cluster.make(CONFIG_MAPS, "first")
    second = cluster.make(SECRETS, "second", first)
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "second", "uid": second.metadata.uid, "blockOwnerDeletion": True}
    cluster.merge(CONFIG_MAPS, "first", {"metadata": {"ownerReferences": [reference]}})
    cluster.settle()
    cluster.delete(CONFIG_MAPS, "first", propagation="Foreground")
    cluster.settle()
    assert not cluster.exists(CONFIG_MAPS, "first")
    assert not cluster.exists(SECRETS, "second")


def test_orphan_dependents_stay_and_forget() -> None:
    cluster = Cluster()
    owner, other = cluster.make(CONFIG_MAPS, "owner"), cluster.make(CONFIG_MAPS, "another")
    cluster.make(SECRETS, "alone", owner)
    cluster.make(SECRETS, "shared", owner, other)
    cluster.settle()
    assert not cluster.delete(CONFIG_MAPS, "owner", propagation="Orphan").deleted
    cluster.settle()
    assert not cluster.exists(CONFIG_MAPS, "owner")
    assert cluster.get(Secret, "alone").metadata.owner_references == ()
    assert [each.name for each in cluster.get(Secret, "shared").metadata.owner_references] == ["another"]


def test_a_collector_that_hears_of_the_owner_first_deletes_no_orphan() -> None:
    """Watches of different kinds come in any order: the dependent's version guards the deletion."""
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.make(SECRETS, "orphan", owner)
    cluster.settle()
    cluster.merge(SECRETS, "orphan", {"metadata": {"ownerReferences": None}})
    cluster.delete(CONFIG_MAPS, "owner")
    with pytest.raises(ApiError) as refused:
        cluster.turn(Secret)
    assert refused.value.code == 409
    cluster.settle()
    assert cluster.exists(SECRETS, "orphan")


def test_an_owner_that_was_never_seen_is_looked_up() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.make(SECRETS, "owned", owner)
    (asked,) = cluster.turn(ConfigMap)
    assert isinstance(asked, Collect)
    assert [each.name for each in asked.owners] == ["owner"]
    cluster.settle()
    assert cluster.exists(SECRETS, "owned")


def test_a_namesake_is_no_owner() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.delete(CONFIG_MAPS, "owner")
    cluster.make(CONFIG_MAPS, "owner")
    cluster.make(SECRETS, "owned", owner)
    cluster.settle()
    assert not cluster.exists(SECRETS, "owned")


def test_one_owner_left_keeps_the_dependent_and_the_lost_one_is_forgotten() -> None:
    cluster = Cluster()
    first, second = cluster.make(CONFIG_MAPS, "first"), cluster.make(CONFIG_MAPS, "second")
    cluster.make(SECRETS, "owned", first, second)
    cluster.settle()
    cluster.delete(CONFIG_MAPS, "first")
    cluster.settle()
    assert [each.name for each in cluster.get(Secret, "owned").metadata.owner_references] == ["second"]
    cluster.delete(CONFIG_MAPS, "second")
    cluster.settle()
    assert not cluster.exists(SECRETS, "owned")


def test_a_cluster_scoped_owner_of_a_namespaced_dependent() -> None:
    cluster = Cluster()
    owner = cluster.make(INGRESS_CLASSES, "owner")
    cluster.make(SECRETS, "owned", owner)
    cluster.settle()
    assert cluster.exists(SECRETS, "owned")
    cluster.delete(INGRESS_CLASSES, "owner")
    cluster.settle()
    assert not cluster.exists(SECRETS, "owned")


def test_an_owner_in_another_namespace_is_none() -> None:
    """KEP: "owners and dependents" page of the Kubernetes documentation; event OwnerRefInvalidNamespace."""
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner", namespace="other")
    cluster.make(SECRETS, "owned", owner)
    cluster.settle()
    assert not cluster.exists(SECRETS, "owned")
    (note,) = [each for each in cluster.planned if isinstance(each, Note)]
    assert note.message.endswith('does not exist in namespace "default"')


def test_a_namespaced_owner_of_a_cluster_scoped_dependent_is_told_and_left() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.make(INGRESS_CLASSES, "owned", owner)
    cluster.settle()
    cluster.delete(CONFIG_MAPS, "owner")
    cluster.settle()
    assert cluster.exists(INGRESS_CLASSES, "owned")
    assert len([each for each in cluster.planned if isinstance(each, Note)]) == 1


def test_an_owner_of_an_unknown_kind_keeps_its_dependents() -> None:
    cluster = Cluster()
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "00000000-0000-0000-0000-000000000001"}
    cluster.create(SECRETS, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    cluster.settle()
    assert cluster.exists(SECRETS, "owned")


def test_what_is_there_at_the_start_is_judged() -> None:
    cluster = Cluster()
    owner = cluster.make(CONFIG_MAPS, "owner")
    cluster.make(SECRETS, "owned", owner)
    cluster.delete(CONFIG_MAPS, "owner")
    keys = cluster.hear().keys
    plan = GarbageCollector().reconcile(cluster.seen, Changes(keys, everything=True), cluster.now)
    assert [type(each) for each in plan.verbs] == [Collect]


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ("", "", ("example.com/slow",)),
        ("Foreground", "", ("example.com/slow", "foregroundDeletion")),
        ("Foreground", "Background", ("example.com/slow",)),
        ("Orphan", "Foreground", ("example.com/slow", "foregroundDeletion")),
        ("Background", "Orphan", ("example.com/slow", "orphan")),
    ],
)
def test_a_later_delete_changes_the_policy(first: str, second: str, left: tuple[str, ...]) -> None:
    """Source: `deletionFinalizersForGarbageCollection`, apiserver `registry/generic/registry/store.go`."""
    world = World()
    world.create(CONFIG_MAPS, {"metadata": {"name": "it", "finalizers": ["example.com/slow"]}})
    world.delete(CONFIG_MAPS, "it", propagation=first)
    world.delete(CONFIG_MAPS, "it", propagation=second)
    assert world.get(ConfigMap, "it").metadata.finalizers == left
