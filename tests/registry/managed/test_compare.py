"""What a value sets, and what differs between two. Rows follow structured-merge-diff `typed/toset_test.go`, `compare_test.go`,
and managedFields as kube-apiserver 1.36 writes them.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.manifest.convert import decode
from moorage.model.kinds import ENDPOINT_SLICES, IP_ADDRESS_POOLS, NODES, PODS, SERVICES, Kind
from moorage.registry.managed.compare import compare, created, fields_of
from moorage.registry.managed.fieldset import FieldSet
from moorage.registry.managed.schema import schema_of

Tree = dict[str, Any]

HTTP = 'k:{"port":80,"protocol":"TCP"}'
DNS = 'k:{"port":53,"protocol":"UDP"}'


def of(kind: Kind, tree: Tree) -> FieldSet:
    """What creating an object adds, seen through its type."""
    return compare(schema_of(kind), kind.type(), decode(kind, tree).obj).added


@pytest.mark.parametrize(
    ("kind", "tree", "fields"),
    [
        (SERVICES, {"metadata": {"name": "a", "namespace": "b", "uid": "c"}}, {}),
        (SERVICES, {"metadata": {"labels": {"a": "b"}}}, {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}),
        (
            SERVICES,
            {"spec": {"selector": {"a": "b"}, "externalIPs": ["192.0.2.1"]}},
            {"f:spec": {"f:selector": {}, "f:externalIPs": {}}},
        ),
        (
            SERVICES,
            {"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}]}},
            {
                "f:spec": {
                    "f:ports": {
                        ".": {},
                        HTTP: {".": {}, "f:port": {}},
                        DNS: {".": {}, "f:port": {}, "f:protocol": {}, "f:name": {}},
                    }
                }
            },
        ),
        (
            SERVICES,
            {"metadata": {"finalizers": ["a/b"], "ownerReferences": [{"uid": "u", "name": "n"}]}},
            {"f:metadata": {"f:finalizers": {".": {}, 'v:"a/b"': {}}, "f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}}}},
        ),
        (
            SERVICES,
            {"spec": {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}},
            {"f:spec": {"f:sessionAffinityConfig": {".": {}, "f:clientIP": {".": {}, "f:timeoutSeconds": {}}}}},
        ),
        (
            ENDPOINT_SLICES,
            {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 1}]},
            {"f:addressType": {}, "f:endpoints": {}, "f:ports": {}},
        ),
        # structs that Go holds by value have no owner of their own, unless they are part of something new
        (NODES, {"spec": {"podCIDRs": ["10.0.0.0/24"]}}, {"f:spec": {"f:podCIDRs": {".": {}, 'v:"10.0.0.0/24"': {}}}}),
        (
            PODS,
            {"spec": {"containers": [{"name": "c", "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}]}},
            {
                "f:spec": {
                    "f:containers": {
                        ".": {},
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:name": {},
                            "f:env": {
                                ".": {},
                                'k:{"name":"E"}': {".": {}, "f:name": {}, "f:valueFrom": {".": {}, "f:fieldRef": {}}},
                            },
                            "f:resources": {},
                        },
                    }
                }
            },
        ),
        (
            PODS,
            {"spec": {"imagePullSecrets": [{"name": "s"}]}},
            {"f:spec": {"f:imagePullSecrets": {".": {}, 'k:{"name":"s"}': {}}}},
        ),
        (
            PODS,
            {"spec": {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "b"}}},
            {"f:spec": {"f:tolerations": {}, "f:nodeSelector": {}}},
        ),
        (
            NODES,
            {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}},
            {"f:status": {"f:daemonEndpoints": {"f:kubeletEndpoint": {".": {}, "f:Port": {}}}}},
        ),
        # kinds of a CustomResourceDefinition hold nothing by value
        (IP_ADDRESS_POOLS, {"spec": {"addresses": ["198.18.0.0/24"]}}, {"f:spec": {".": {}, "f:addresses": {}}}),
    ],
)
def test_what_a_create_sets(kind: Kind, tree: Tree, fields: FieldSet) -> None:
    assert of(kind, tree) == fields
    assert created(schema_of(kind), decode(kind, tree).obj) == fields


@pytest.mark.parametrize(
    ("tree", "fields"),
    [
        ({"metadata": {"name": "a", "labels": {"a": "b"}}}, {"f:metadata": {"f:labels": {"f:a": {}}}}),
        ({"metadata": {"labels": {}}, "spec": {"ports": []}}, {"f:metadata": {"f:labels": {}}}),
        ({"metadata": {"labels": None}, "spec": {"type": None}}, {"f:metadata": {"f:labels": {}}, "f:spec": {"f:type": {}}}),
        ({"spec": {"ports": [{"port": 80}]}}, {"f:spec": {"f:ports": {HTTP: {".": {}, "f:port": {}}}}}),
        ({"spec": {"selector": {"a": "b"}, "clusterIPs": []}}, {"f:spec": {"f:selector": {}, "f:clusterIPs": {}}}),
        ({"metadata": {"finalizers": ["a/b"]}}, {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}}),
        ({"status": {"loadBalancer": {}}}, {"f:status": {"f:loadBalancer": {}}}),
        ({"spec": {"ports": [{"port": 80}, {"port": 80}]}}, {"f:spec": {"f:ports": {HTTP: {}}}}),
    ],
)
def test_what_a_configuration_sets(tree: Tree, fields: FieldSet) -> None:
    """Leaves, empty maps and list items; the containers that lead to them are nobody's (`typed/tofieldset.go`)."""
    assert fields_of(schema_of(SERVICES), tree) == fields


TWO = {"ports": [{"port": 80, "name": "a"}, {"port": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("before", "after", "added", "modified", "removed"),
    [
        ({"type": "A"}, {"type": "A"}, {}, {}, {}),
        ({"type": "A"}, {"type": "B"}, {}, {"f:type": {}}, {}),
        ({"type": "A"}, {"clusterIP": "B"}, {"f:clusterIP": {}}, {}, {"f:type": {}}),
        ({"type": "A"}, {"type": None}, {}, {"f:type": {}}, {}),
        ({"selector": {"a": "b"}}, {"selector": {"a": "c", "d": "e"}}, {}, {"f:selector": {}}, {}),
        (TWO, {"ports": TWO["ports"][::-1]}, {}, {}, {}),
        (TWO, {"ports": TWO["ports"][1:]}, {}, {}, {"f:ports": {HTTP: {".": {}, "f:port": {}, "f:name": {}}}}),
        (TWO, {"ports": [{"port": 80, "name": "b"}, TWO["ports"][1]]}, {}, {"f:ports": {HTTP: {"f:name": {}}}}, {}),
        (
            TWO,
            {"ports": None},
            {},
            {},
            {"f:ports": {HTTP: {".": {}, "f:port": {}, "f:name": {}}, DNS: {".": {}, "f:port": {}, "f:protocol": {}}}},
        ),
        ({}, {"ports": [{"port": 80}]}, {"f:ports": {".": {}, HTTP: {".": {}, "f:port": {}}}}, {}, {}),
        ({"ports": []}, {"ports": [{"port": 80}]}, {"f:ports": {HTTP: {".": {}, "f:port": {}}}}, {}, {}),
        # items with the same keys are one value, changed as a whole ("duplicates", SMD 4.4)
        ({"ports": [{"port": 80}] * 2}, {"ports": [{"port": 80}] * 3}, {}, {"f:ports": {HTTP: {}}}, {}),
        (
            {"ports": [{"port": 80}] * 2},
            {"ports": [{"port": 80}]},
            {"f:ports": {HTTP: {".": {}, "f:port": {}}}},
            {},
            {"f:ports": {HTTP: {}}},
        ),
        (
            {"ports": [{"port": 80}]},
            {"ports": [{"port": 80}] * 2},
            {"f:ports": {HTTP: {}}},
            {},
            {"f:ports": {HTTP: {".": {}, "f:port": {}}}},
        ),
    ],
)
def test_comparisons(before: Tree, after: Tree, added: FieldSet, modified: FieldSet, removed: FieldSet) -> None:
    found = compare(schema_of(SERVICES), {"spec": before}, {"spec": after})
    assert [msgspec.structs.asdict(found)[name].get("f:spec", {}) for name in ("added", "modified", "removed")] == [
        added,
        modified,
        removed,
    ]


def test_a_struct_by_value_is_there_before_anything_is_in_it() -> None:
    """A limit that is added does not add `resources`, which the creator of the container owns."""

    def pod(**more: Any) -> Tree:
        return {"spec": {"containers": [{"name": "c", **more}]}}

    inside = compare(schema_of(PODS), pod(), pod(resources={"limits": {"cpu": "1"}})).added
    item = inside["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert item == {"f:resources": {"f:limits": {".": {}, "f:cpu": {}}}}
