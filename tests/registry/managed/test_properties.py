"""What holds for every history of applies. Source: KEP-555, the invariants of structured-merge-diff."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.manifest.convert import decode, encode, to_tree
from moorage.model.kinds import CONFIG_MAPS, SERVICES, Kind
from moorage.model.meta import Key
from moorage.registry.managed.compare import compare, created, fields_of
from moorage.registry.managed.entries import fields_in
from moorage.registry.managed.fieldset import FieldSet, difference, paths, union
from moorage.registry.managed.merge import merge
from moorage.registry.managed.schema import schema_of
from tests.registry.world import World

Tree = dict[str, Any]

names = st.sampled_from(["a", "b", "c"])
texts = st.dictionaries(names, st.sampled_from(["x", "y"]), max_size=3)


def filled(**parts: Any) -> Tree:
    """What is not empty: an empty map that is applied is owned like a value."""
    return {name: part for name, part in parts.items() if part}


configurations = st.builds(
    lambda labels, annotations, finalizers, data: filled(
        metadata=filled(labels=labels, annotations=annotations, finalizers=sorted(finalizers)), data=data
    ),
    texts,
    texts,
    st.sets(st.sampled_from(["a/b", "c/d"])),
    texts,
)
applies = st.tuples(st.sampled_from(["one", "two", "three"]), configurations)

port_items = st.fixed_dictionaries(
    {"port": st.sampled_from([53, 80])},
    optional={"protocol": st.sampled_from(["TCP", "UDP"]), "name": names, "nodePort": st.just(30000)},
)
services = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": texts, "finalizers": st.lists(st.sampled_from(["a/b", "c/d"]), unique=True, max_size=2)}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "ports": st.lists(port_items, max_size=3),
                "selector": texts,
                "type": names,
                "sessionAffinityConfig": st.just({"clientIP": {"timeoutSeconds": 1}}),
            },
        ),
    },
)


def apply(world: World, manager: str, configuration: Tree) -> None:
    world.apply(CONFIG_MAPS, "it", configuration, manager, force=True)


def state(world: World) -> Tree:
    return to_tree(world.registry.get(CONFIG_MAPS, Key("default", "it")).body)


def owned(world: World) -> dict[str, FieldSet]:
    record = world.registry.get(CONFIG_MAPS, Key("default", "it"))
    metadata = decode(CONFIG_MAPS, to_tree(record.body)).obj.metadata
    return {each.manager: fields_in(each) for each in metadata.managed_fields or ()}


@settings(max_examples=30, deadline=None)
@given(st.lists(applies, min_size=1, max_size=5))
def test_applying_twice_is_applying_once(history: list[tuple[str, Tree]]) -> None:
    world = World()
    for manager, configuration in history:
        apply(world, manager, configuration)
        once, revision = state(world), world.store.revision
        world.now += 60
        apply(world, manager, configuration)
        assert (state(world), world.store.revision) == (once, revision)


@settings(max_examples=30, deadline=None)
@given(st.lists(applies, min_size=1, max_size=6))
def test_everything_that_was_applied_has_an_owner_and_owners_only_what_is_there(history: list[tuple[str, Tree]]) -> None:
    world = World()
    last: dict[str, Tree] = {}
    for manager, configuration in history:
        apply(world, manager, configuration)
        last[manager] = configuration
        assert owned(world).get(manager, {}) == fields_of(schema_of(CONFIG_MAPS), configuration)
    claimed: FieldSet = {}
    for fields in owned(world).values():
        claimed = union(claimed, fields)
    there = fields_of(schema_of(CONFIG_MAPS), state(world))
    assert set(paths(claimed)) == set(paths(there))


@settings(max_examples=30, deadline=None)
@given(texts, texts, st.booleans())
def test_fields_of_their_own_never_conflict(one: dict[str, str], two: dict[str, str], again: bool) -> None:
    world = World()
    mine, theirs = {f"one-{key}": value for key, value in one.items()}, {f"two-{key}": value for key, value in two.items()}
    for _ in range(1 + again):
        world.apply(CONFIG_MAPS, "it", filled(data=mine), "one")
        world.apply(CONFIG_MAPS, "it", filled(data=theirs), "two")
    assert state(world).get("data", {}) == {**mine, **theirs}
    world.apply(CONFIG_MAPS, "it", {}, "one")
    assert state(world).get("data", {}) == theirs


@settings(max_examples=150, deadline=None)
@given(services, services)
def test_types_and_trees_are_compared_alike(before: Tree, after: Tree) -> None:
    def typed(kind: Kind, tree: Tree) -> Any:
        return decode(kind, tree).obj

    def tree(value: Tree) -> Tree:
        """Without what the type leaves out: empty lists and maps."""
        return to_tree(encode(decode(SERVICES, value).obj))

    schema = schema_of(SERVICES)
    assert compare(schema, typed(SERVICES, before), typed(SERVICES, after)) == compare(schema, tree(before), tree(after))
    assert created(schema, typed(SERVICES, after)) == compare(schema, SERVICES.type(), typed(SERVICES, after)).added
    assert created(schema, tree(after)) == compare(schema, {}, tree(after)).added


@settings(max_examples=150, deadline=None)
@given(services, services)
def test_merging_sets_what_is_applied_and_keeps_the_rest(live: Tree, configuration: Tree) -> None:
    schema = schema_of(SERVICES)
    unique = filled(spec=filled(**{**configuration.get("spec", {}), "ports": _unique(configuration)}))
    merged = merge(schema, live, unique)
    assert merge(schema, merged, unique) == merged
    applied = fields_of(schema, unique)
    assert difference(applied, fields_of(schema, merged)) == {}
    assert set(paths(compare(schema, live, merged).touched)) <= set(paths(union(applied, _containers(applied))))


def _unique(configuration: Tree) -> list[Tree]:
    """Its ports without repetition."""
    found = {(each["port"], each.get("protocol", "TCP")): each for each in configuration.get("spec", {}).get("ports", [])}
    return list(found.values())


def _containers(fields: FieldSet) -> FieldSet:
    """Everything that leads to a member."""
    return {element: {".": {}, **_containers(node)} if node else {} for element, node in fields.items() if element != "."}
