"""MetalLB's kinds as schemas: they judge as the embedded server's registry does, and show the same columns."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from moorage.api.tables.columns import LAYOUTS
from moorage.deploy.crd_rules import BOUNDS, COLUMNS, REQUIRED, RULES
from moorage.deploy.crds import definitions, schema
from moorage.model.errors import ApiError
from moorage.model.kinds import BY_NAME, BY_RESOURCE, KINDS, Kind
from moorage.model.meta import Object
from tests.registry.world import World

METALLB = [kind for kind in KINDS if kind.group == "metallb.io"]
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
GOOD: dict[str, dict[str, Any]] = {
    "IPAddressPool": {
        "addresses": ["192.0.2.0/24", "2001:db8::1-2001:db8::9"],
        "autoAssign": False,
        "avoidBuggyIPs": True,
        "serviceAllocation": {
            "priority": 1,
            "namespaces": ["a"],
            "namespaceSelectors": [SELECTOR],
            "serviceSelectors": [SELECTOR],
        },
    },
    "L2Advertisement": {"ipAddressPools": ["a"], "nodeSelectors": [SELECTOR], "interfaces": ["eth0"]},
    "BGPAdvertisement": {"aggregationLength": 24, "localPref": 100, "communities": ["1:2", "large:1:2:3", "name"]},
    "Community": {"communities": [{"name": "a", "value": "65000:1"}, {"name": "b", "value": "large:1:2:3"}]},
    "BFDProfile": {"receiveInterval": 100, "echoMode": True, "minimumTtl": 10},
    "BGPPeer": {
        "myASN": 64512,
        "peerASN": 64513,
        "peerAddress": "192.0.2.1",
        "holdTime": "1m30s",
        "passwordSecret": {"name": "x"},
    },
}
"""Specs by kind: everything that is commonly said."""


def tree(kind: Kind, **spec: Any) -> dict[str, Any]:
    given = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "it"}}
    return given | ({"spec": GOOD[kind.kind] | spec} if kind.kind in GOOD else {})


def refused_by_schema(kind: Kind, obj: dict[str, Any]) -> bool:
    return not jsonschema.Draft202012Validator(schema(kind)).is_valid(obj)


def refused_by_registry(kind: Kind, obj: dict[str, Any]) -> bool:
    try:
        World().create(kind, obj)
    except ApiError as error:
        return error.code in (400, 422)
    return False


@pytest.mark.parametrize("kind", METALLB, ids=lambda kind: kind.kind)
def test_what_is_usual_is_accepted(kind: Kind) -> None:
    assert not refused_by_schema(kind, tree(kind))
    assert not refused_by_registry(kind, tree(kind))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("IPAddressPool", {"addresses": []}),
        ("IPAddressPool", {"addresses": "192.0.2.0/24"}),
        ("IPAddressPool", {"serviceAllocation": {"priority": -1}}),
        ("L2Advertisement", {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]}),
        ("L2Advertisement", {"interfaces": [1]}),
        ("BGPAdvertisement", {"aggregationLength": 0}),
        ("BGPAdvertisement", {"aggregationLength": 33}),
        ("BGPAdvertisement", {"aggregationLengthV6": 129}),
        ("BGPAdvertisement", {"localPref": -1}),
        ("BGPAdvertisement", {"localPref": 2**32}),
        ("Community", {"communities": [{"name": "a", "value": "b"}]}),
        ("Community", {"communities": [{"name": "a", "value": "big:1:2:3"}]}),
        ("BFDProfile", {"receiveInterval": 9}),
        ("BFDProfile", {"transmitInterval": 60001}),
        ("BFDProfile", {"echoInterval": 1}),
        ("BFDProfile", {"detectMultiplier": 1}),
        ("BFDProfile", {"detectMultiplier": 256}),
        ("BFDProfile", {"minimumTtl": 255}),
        ("BFDProfile", {"echoMode": "yes"}),
        ("BGPPeer", {"myASN": 0}),
        ("BGPPeer", {"myASN": 2**32}),
        ("BGPPeer", {"peerASN": -1}),
        ("BGPPeer", {"peerASN": 0, "dynamicASN": "sideways"}),
        ("BGPPeer", {"peerPort": 16385}),
        ("BGPPeer", {"holdTime": "soon"}),
        ("BGPPeer", {"keepaliveTime": "-3s"}),
        ("BGPPeer", {"connectTime": "5"}),
    ],
)
def test_what_both_refuse(kind: str, spec: dict[str, Any]) -> None:
    (found,) = [each for each in METALLB if each.kind == kind]
    assert refused_by_schema(found, tree(found, **spec))
    assert refused_by_registry(found, tree(found, **spec))


EDGES = [
    (kind, key, value)
    for kind in METALLB
    if kind.kind in GOOD
    for name, key, low, high in (
        (type_.__name__, key, bound["minimum"], bound["maximum"])
        for type_, bounds in BOUNDS.items()
        for key, bound in bounds.items()
        if "maximum" in bound and key != "localASN"
    )
    if name == f"{kind.kind}Spec"
    for value in (low, high)
]


@pytest.mark.parametrize(("kind", "key", "value"), EDGES, ids=[f"{kind.kind}-{key}-{value}" for kind, key, value in EDGES])
def test_bounds_are_the_registrys(kind: Kind, key: str, value: int) -> None:
    """The least and the greatest value are accepted by both; `dynamicASN` stands in for a peerASN of 0."""
    spec = {key: value} | ({"dynamicASN": "external"} if (key, value) == ("peerASN", 0) else {})
    assert not refused_by_schema(kind, tree(kind, **spec))
    assert not refused_by_registry(kind, tree(kind, **spec))


@pytest.mark.parametrize("kind", [kind for kind in METALLB if kind.kind in ("IPAddressPool", "BGPPeer")], ids=lambda k: k.kind)
def test_what_must_be_there(kind: Kind) -> None:
    bare = {name: value for name, value in tree(kind).items() if name != "spec"}
    for each in (bare, {**bare, "spec": {}}):
        assert refused_by_schema(kind, each)
        assert refused_by_registry(kind, each)


@pytest.mark.parametrize("kind", METALLB, ids=lambda kind: kind.kind)
def test_columns_are_those_of_the_embedded_server(kind: Kind) -> None:
    columns = [(name, type_, priority) for name, _, type_, priority in COLUMNS.get(kind.type, ())]
    shown = [(each.name, each.type, each.priority) for each in LAYOUTS[kind.type].columns[1:]]
    assert (columns or [("Age", "string", 0)]) == shown


def test_definitions() -> None:
    made = {each["metadata"]["name"]: each["spec"] for each in definitions()}
    assert set(made) == {kind.resource for kind in METALLB}
    for name, spec in made.items():
        (version,) = spec["versions"]
        kind = BY_RESOURCE[name]
        assert (spec["names"]["kind"], version["name"]) == (kind.kind, kind.version)
        assert ("subresources" in version) == ("status" in kind.subresources)
        for column in version.get("additionalPrinterColumns", ()):
            assert _at(version["schema"]["openAPIV3Schema"], column["jsonPath"])


def _at(node: dict[str, Any], path: str) -> dict[str, Any]:
    for each in path.removeprefix(".").split("."):
        node = node["properties"][each]
    return node


def test_rules_are_about_fields_that_are_there() -> None:
    """A key that no type has would be a rule that never holds."""
    for type_, keys in [(each, set(bounds)) for each, bounds in BOUNDS.items()] + [(e, set(k)) for e, k in REQUIRED.items()]:
        assert keys <= {each.encode_name for each in _fields(type_)}
    for type_, rules in RULES.items():
        names = {each.encode_name for each in _fields(type_)}
        for rule, _ in rules:
            words = {word.split(".")[1] for word in rule.replace("(", " ").replace(")", " ").split() if "elf." in word}
            assert {each for each in words if each != "size"} <= names


def _fields(type_: Any) -> Any:
    return msgspec.structs.fields(type_)


def test_descriptions_name_fields_as_users_know_them() -> None:
    (peer,) = [kind for kind in METALLB if kind.kind == "BGPPeer"]
    assert "Of `peerASN` and `dynamicASN`" in schema(peer)["properties"]["spec"]["description"]


def test_kinds_have_types() -> None:
    assert all(issubclass(kind.type, Object) and BY_NAME[kind.api_version, kind.kind] is kind for kind in METALLB)


@pytest.mark.parametrize("kind", METALLB, ids=lambda kind: kind.kind)
def test_schemas_are_structural(kind: Kind) -> None:
    """Every node has a type; `properties` and `additionalProperties` are not beside each other."""

    def walk(node: dict[str, Any]) -> None:
        assert "type" in node
        assert not {"properties", "additionalProperties"} <= set(node)
        for each in node.get("properties", {}).values():
            walk(each)
        for name in ("items", "additionalProperties"):
            if name in node:
                walk(node[name])

    walk(schema(kind))
    jsonschema.Draft202012Validator.check_schema(schema(kind))
