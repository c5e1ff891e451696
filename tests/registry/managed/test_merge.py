"""Merging trees, and taking fields away. Rows follow structured-merge-diff `typed/merge_test.go`, `remove_test.go`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import PODS, SERVICES
from moorage.registry.managed.fieldset import FieldSet
from moorage.registry.managed.merge import merge, remove
from moorage.registry.managed.schema import schema_of

Tree = dict[str, Any]

A, B, C, D = ({"port": number} for number in (1, 2, 3, 4))


def ports(*items: Tree) -> Tree:
    return {"spec": {"ports": list(items)}}


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ({}, ports(A), ports(A)),
        (ports(A), {}, ports(A)),
        (ports(A), ports(), ports(A)),
        (ports(A), {"spec": {"ports": None}}, ports(A)),
        ({"spec": {"type": "A"}}, {"spec": {"type": None}}, {"spec": {"type": None}}),
        ({"metadata": {"labels": {"a": "b"}}}, {"metadata": {"labels": None}}, {"metadata": {"labels": {"a": "b"}}}),
        ({"spec": {"selector": {"a": "b"}}}, {"spec": {"selector": {"c": "d"}}}, {"spec": {"selector": {"c": "d"}}}),
        (ports({**A, "nodePort": 5}), ports({**A, "name": "x"}), ports({**A, "nodePort": 5, "name": "x"})),
        # items of the configuration in its order, the others where they were
        (ports(A, B, C), ports(C, A), ports(B, C, A)),
        (ports(A, B, C), ports(B), ports(A, B, C)),
        (ports(A, B), ports(D, B), ports(A, D, B)),
        (ports(A, B), ports(A, D), ports(A, B, D)),
        (ports(B), ports(A, B, C), ports(A, B, C)),
        # what is there twice is replaced by what is applied
        (ports(A, B, {**A, "name": "x"}), ports(A), ports(A, B)),
        (
            {"metadata": {"finalizers": ["a/b"]}},
            {"metadata": {"finalizers": ["c/d"]}},
            {"metadata": {"finalizers": ["a/b", "c/d"]}},
        ),
    ],
)
def test_merging(live: Tree, config: Tree, merged: Tree) -> None:
    assert merge(schema_of(SERVICES), live, config) == merged


@pytest.mark.parametrize(
    ("value", "fields", "left"),
    [
        (ports(A, B), {"f:spec": {"f:ports": {'k:{"port":1,"protocol":"TCP"}': {}}}}, ports(B)),
        (ports(A), {"f:spec": {"f:ports": {'k:{"port":1,"protocol":"TCP"}': {}}}}, ports()),
        (ports({**A, "name": "x"}), {"f:spec": {"f:ports": {'k:{"port":1,"protocol":"TCP"}': {"f:name": {}}}}}, ports(A)),
        ({"spec": {"type": "A"}, "kind": "K"}, {"f:spec": {}}, {"kind": "K"}),
        ({"spec": {"type": "A"}}, {"f:spec": {"f:type": {}}}, {"spec": {}}),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
            {"metadata": {"finalizers": ["b"]}},
        ),
        # below a value with one owner nothing is taken
        ({"spec": {"selector": {"a": "b"}}}, {"f:spec": {"f:selector": {"f:a": {}}}}, {"spec": {"selector": {"a": "b"}}}),
    ],
)
def test_removing(value: Tree, fields: FieldSet, left: Tree) -> None:
    assert remove(schema_of(SERVICES), value, fields) == left


def test_parts_without_a_type() -> None:
    live = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}, "claims": [{"name": "x"}]}}]}}
    config = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "1"}, "claims": [{"name": "y"}]}}]}}
    found = merge(schema_of(PODS), live, config)["spec"]["containers"][0]["resources"]
    assert found == {"limits": {"cpu": "1", "memory": "1"}, "claims": [{"name": "x"}, {"name": "y"}]}
