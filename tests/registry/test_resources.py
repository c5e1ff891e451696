"""The verbs of every kind: creating, replacing, patching, dry runs, strictness. Bad input changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moorage.manifest.convert import load
from moorage.model.errors import ApiError
from moorage.model.kinds import IP_ADDRESS_POOLS, KINDS, NAMESPACES, SERVICES, Kind
from moorage.model.meta import Key
from moorage.model.ports import Resources, WriteOptions
from moorage.model.selectors import Selector
from moorage.model.service import Service
from tests.registry.world import World, key, refused

WEB = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}


def test_it_is_what_the_api_calls() -> None:
    resources: Resources = World().registry
    assert resources.get(NAMESPACES, Key("", "default")).key.name == "default"


def test_the_record_is_the_object_with_its_revision() -> None:
    world = World()
    outcome = world.create(SERVICES, {**WEB, "metadata": {"name": "web", "labels": {"app": "web"}}})
    assert outcome.created
    assert outcome.record == world.registry.get(SERVICES, key(SERVICES, "web"))
    assert outcome.record.labels == {"app": "web"}
    obj = load(SERVICES, outcome.record.body)
    assert (obj.api_version, obj.kind, obj.metadata.resource_version) == ("v1", "Service", str(world.store.revision))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_is_missing_is_a_404(kind: Kind) -> None:
    world = World()
    group = f".{kind.group}" if kind.group else ""
    for call in (lambda: world.registry.get(kind, key(kind, "x")), lambda: world.delete(kind, "x")):
        error = refused(world, call, 404)
        assert error.message == f'{kind.plural}{group} "x" not found'
    refused(world, lambda: world.patch(kind, "x", lambda tree: tree), 404)
    refused(world, lambda: world.update(kind, "x", {}, "status"), 404)


def test_a_subresource_that_the_kind_lacks_is_a_404() -> None:
    world = World()
    world.create(SERVICES, WEB)
    for call in (
        lambda: world.update(SERVICES, "web", WEB, "scale"),
        lambda: world.patch(SERVICES, "web", lambda tree: tree, "binding"),
    ):
        assert refused(world, call, 404).message == "the server could not find the requested resource"


def test_what_exists_is_a_409() -> None:
    world = World()
    world.create(SERVICES, WEB)
    error = refused(world, lambda: world.create(SERVICES, WEB), 409)
    assert (error.reason, error.message) == ("AlreadyExists", 'services "web" already exists')


@pytest.mark.parametrize("spec", [{"ports": [{"port": 80}]}, {}])
def test_a_missing_namespace_is_said_first(spec: dict[str, Any]) -> None:
    world = World()
    error = refused(world, lambda: world.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "nowhere"), 404)
    assert error.message == 'namespaces "nowhere" not found'


def test_a_dry_run_says_what_would_be_and_leaves_nothing() -> None:
    world = World()
    revision = world.store.revision
    outcome = world.create(SERVICES, WEB, dry_run=True)
    obj = load(SERVICES, outcome.record.body)
    assert isinstance(obj, Service)
    assert obj.spec.cluster_ip
    assert obj.metadata.resource_version == ""
    world.create(SERVICES, WEB)
    stored = world.get(Service, "web")
    outcome = world.patch(SERVICES, "web", lambda tree: {**tree, "spec": {**tree["spec"], "type": "NodePort"}}, dry_run=True)
    assert load(SERVICES, outcome.record.body).metadata.resource_version == stored.metadata.resource_version
    assert world.delete(SERVICES, "web", dry_run=True).deleted
    assert world.get(Service, "web") == stored
    assert world.store.revision == revision + 2  # the IPAddress and the Service
    refused(world, lambda: world.create(SERVICES, WEB, dry_run=True), 409)


UNKNOWN = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "prot": "TCP"}], "tpye": "NodePort"}}


def test_unknown_and_repeated_fields_are_warned_of() -> None:
    outcome = World().create(SERVICES, UNKNOWN, duplicate_fields=("spec.ports",))
    assert outcome.warnings == (
        'unknown field "spec.ports[0].prot"', 'unknown field "spec.tpye"', 'duplicate field "spec.ports"',
    )  # fmt: skip


def test_unknown_fields_are_refused_where_strict() -> None:
    """KEP-2885."""
    world = World()
    error = refused(world, lambda: world.create(SERVICES, UNKNOWN, field_validation="Strict"), 400)
    assert error.message == (
        'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.ports[0].prot", '
        'unknown field "spec.tpye"'
    )
    world.create(SERVICES, WEB, field_validation="Strict")
    refused(world, lambda: world.update(SERVICES, "web", UNKNOWN, field_validation="Strict"), 400)
    refused(world, lambda: world.patch(SERVICES, "web", lambda tree: {**tree, "foo": 1}, field_validation="Strict"), 400)
    refused(world, lambda: world.update(SERVICES, "web", WEB, duplicate_fields=("a",), field_validation="Strict"), 400)


def test_unknown_fields_are_dropped_in_silence_where_ignored() -> None:
    world = World()
    assert world.create(SERVICES, UNKNOWN, field_validation="Ignore").warnings == ()
    assert world.patch(SERVICES, "web", lambda tree: {**tree, "foo": 1}).warnings == ('unknown field "foo"',)
    assert b"foo" not in world.registry.get(SERVICES, key(SERVICES, "web")).body


def test_a_patch_sees_the_newest_state() -> None:
    """It runs inside the transaction: two at once lose nothing."""
    world = World()
    world.create(SERVICES, WEB)

    async def both() -> None:
        def adding(name: str) -> Any:
            def change(tree: dict[str, Any]) -> dict[str, Any]:
                labels = {**tree["metadata"].get("labels", {}), name: "x"}
                return {**tree, "metadata": {**tree["metadata"], "labels": labels}}

            return world.registry.patch(SERVICES, key(SERVICES, "web"), change, WriteOptions())

        await asyncio.gather(adding("a"), adding("b"))

    asyncio.run(both())
    assert world.get(Service, "web").metadata.labels == {"a": "x", "b": "x"}


def test_a_patch_that_fails_changes_nothing() -> None:
    world = World()
    world.create(SERVICES, WEB)

    def explode(_: dict[str, Any]) -> dict[str, Any]:
        raise ApiError(400, "BadRequest", "no such path")

    assert refused(world, lambda: world.patch(SERVICES, "web", explode), 400).message == "no such path"
    refused(world, lambda: world.patch(SERVICES, "web", lambda tree: {**tree, "kind": "Pod"}), 400)
    refused(world, lambda: world.patch(SERVICES, "web", lambda tree: {**tree, "spec": 5}), 400)


@pytest.mark.parametrize(
    "tree",
    [
        {"kind": "Pod", "metadata": {"name": "web"}},
        {"apiVersion": "apps/v1", "metadata": {"name": "web"}},
        {"metadata": {"name": "web"}, "spec": "x"},
        {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}},
        {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "clusterIP": "10.97.0.1"}},
        {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}},
    ],
)
def test_bad_input_changes_nothing(tree: dict[str, Any]) -> None:
    world = World()
    with pytest.raises(ApiError):
        world.create(SERVICES, tree)
    revision = world.store.revision
    world.create(SERVICES, WEB)
    assert world.store.revision == revision + 2  # the IPAddress and the Service


def test_a_list_is_in_order_and_of_one_revision() -> None:
    world = World()
    world.create(NAMESPACES, {"metadata": {"name": "a-team"}})
    for name in ("b", "a"):
        world.service(name)
    world.create(SERVICES, WEB, "a-team")
    records, revision = world.registry.list(SERVICES)
    assert [str(each.key) for each in records] == ["a-team/web", "default/a", "default/b"]
    assert revision == world.store.revision
    assert [str(each.key) for each in world.registry.list(SERVICES, "default")[0]] == ["default/a", "default/b"]
    assert world.registry.list(IP_ADDRESS_POOLS, "default", Selector(), Selector())[0] == ()


def test_what_is_accepted_but_should_be_otherwise_is_warned_of() -> None:
    """Upstream: WarningsOnCreate and WarningsOnUpdate. A status update says nothing about the spec."""
    world = World()
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerIP": "2001:DB8::1"}
    (warning,) = world.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}).warnings
    assert warning.startswith('spec.loadBalancerIP: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format')
    assert world.patch(SERVICES, "web", lambda tree: tree).warnings == (warning,)
    assert world.patch(SERVICES, "web", lambda tree: tree, subresource="status").warnings == ()
