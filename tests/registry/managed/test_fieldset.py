"""Sets of fields in the form of FieldsV1. Rows follow structured-merge-diff `fieldpath/set_test.go`, `serialize_test.go`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.registry.managed.fieldset import (
    FieldSet,
    difference,
    intersection,
    is_member,
    is_set,
    paths,
    text,
    union,
    without,
)

PORT = 'k:{"port":80,"protocol":"TCP"}'


@pytest.mark.parametrize(
    ("one", "other", "both", "left", "shared"),
    [
        ({}, {}, {}, {}, {}),
        ({"f:a": {}}, {}, {"f:a": {}}, {"f:a": {}}, {}),
        ({"f:a": {}}, {"f:b": {}}, {"f:a": {}, "f:b": {}}, {"f:a": {}}, {}),
        ({"f:a": {}}, {"f:a": {}}, {"f:a": {}}, {}, {"f:a": {}}),
        # a parent and what is below it are members of their own
        ({"f:a": {}}, {"f:a": {"f:b": {}}}, {"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}, {}),
        ({"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}, {"f:a": {".": {}, "f:b": {}}}, {"f:a": {"f:b": {}}}, {"f:a": {}}),
        ({"f:a": {".": {}, "f:b": {}}}, {"f:a": {"f:b": {}}}, {"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}, {"f:a": {"f:b": {}}}),
        (
            {"f:a": {"f:b": {}, "f:c": {}}},
            {"f:a": {"f:b": {}}},
            {"f:a": {"f:b": {}, "f:c": {}}},
            {"f:a": {"f:c": {}}},
            {"f:a": {"f:b": {}}},
        ),
    ],
)
def test_algebra(one: FieldSet, other: FieldSet, both: FieldSet, left: FieldSet, shared: FieldSet) -> None:
    assert union(one, other) == both
    assert difference(one, other) == left
    assert intersection(one, other) == shared


def test_what_is_below_a_path_can_be_left_out() -> None:
    fields = {"f:status": {"f:a": {}}, "f:metadata": {"f:labels": {}, "f:ownerReferences": {PORT: {}}}}
    assert without(fields, (("f:status",), ("f:metadata", "f:ownerReferences"))) == {"f:metadata": {"f:labels": {}}}
    assert without({"f:metadata": {"f:labels": {}}}, (("f:metadata", "f:labels"),)) == {}
    assert without(fields, (("f:spec",),)) == fields


def test_paths_come_in_the_order_of_upstream() -> None:
    """Members of a node before what is below them; fields, then keys, then values; numbers by size (`PathElement.Compare`)."""
    fields = {
        "f:b": {'k:{"port":443}': {}, 'k:{"port":80}': {".": {}, "f:x": {}}, 'v:"z"': {}},
        "f:a": {"f:c": {}},
        "f:d": {},
    }
    shown = [text(path) for path in paths(fields)]
    assert shown == [".d", ".a.c", ".b[port=80]", ".b[port=443]", '.b[="z"]', ".b[port=80].x"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("f:spec", "f:ports", PORT, "f:name"), '.spec.ports[port=80,protocol="TCP"].name'),
        (("f:metadata", "f:finalizers", 'v:"a/b"'), '.metadata.finalizers[="a/b"]'),
        (("f:metadata", "f:labels", "f:app.kubernetes.io/name"), ".metadata.labels.app.kubernetes.io/name"),
        (("f:a", 'k:{"name":"\\u003cgrün\\u003e"}'), '.a[name="<grün>"]'),
    ],
)
def test_paths_for_people(path: tuple[str, ...], shown: str) -> None:
    """Source: `fieldpath/path_test.go`, `element.go`."""
    assert text(path) == shown


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({}, True),
        ({"f:a": {".": {}, PORT: {}, "v:1": {}, "i:0": {}}}, True),
        ([], False),
        ({"f:a": 1}, False),
        ({"a": {}}, False),
        ({"k:{": {}}, False),
        ({"k:{}": {}}, False),
        ({"v:": {}}, False),
    ],
)
def test_what_is_a_set(value: Any, good: bool) -> None:
    assert is_set(value) is good


elements = st.sampled_from(["f:a", "f:b", "f:c", PORT, 'v:"x"'])
nodes: st.SearchStrategy[FieldSet] = st.recursive(
    st.just({}),
    lambda inner: st.tuples(st.booleans(), st.dictionaries(elements, inner, max_size=3)).map(lambda made: node(*made)),
)
sets = st.dictionaries(elements, nodes, max_size=3)


def node(member: bool, children: FieldSet) -> FieldSet:
    return {".": {}, **children} if member and children else children


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(paths(fields))


@settings(max_examples=150)
@given(sets, sets)
def test_sets_behave_like_sets_of_paths(one: FieldSet, other: FieldSet) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(difference(one, other)) == members(one) - members(other)
    assert members(intersection(one, other)) == members(one) & members(other)
    assert (union(one, other) == {}) == (not members(one) and not members(other))
    assert is_set(one)
    assert all(is_member(each) or each for each in one.values())
