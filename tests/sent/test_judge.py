"""The judge finds what is wrong, and says nothing of what is right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.auth_asks import Ask
from tests.sent.exchange import Exchange
from tests.sent.judge import MERGE_PATCH, judge
from tests.sent.rights import by_table, permits
from tests.sent.schemas import NEWEST, OLDEST, problems

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class Rule(msgspec.Struct, frozen=True):
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespace: str = ""


def everything(agent: str, ask: Ask) -> bool:
    return True


def nothing(agent: str, ask: Ask) -> bool:
    return False


def sent(method: str, path: str, tree: Any = None, content_type: str = "application/json", answer: Any = None) -> Exchange:
    body = msgspec.json.encode(tree) if tree is not None else b""
    return Exchange("role", method, path, {}, content_type, body, 200, msgspec.json.encode(answer) if answer else b"")


def a_slice(**more: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "default"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        **more,
    }


def test_what_is_right_is_not_told() -> None:
    assert judge([sent("POST", SLICES, a_slice()), sent("GET", SLICES)], everything) == []


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (a_slice(adressType="IPv6"), "'adressType' was unexpected"),
        (a_slice(endpoints=[{}]), "endpoints.0: 'addresses' is a required property"),
        (a_slice(endpoints=[{"addresses": "10.0.0.1"}]), "endpoints.0.addresses: '10.0.0.1' is not of type 'array'"),
        (a_slice(metadata={"creationTimestamp": "yesterday"}), "metadata.creationTimestamp: 'yesterday' is not a 'date-time'"),
        (a_slice(kind="Slice"), "Kubernetes 1.29 has no Slice"),
    ],
)
def test_a_body_fits_its_schema(tree: dict[str, Any], words: str) -> None:
    try:
        found = judge([sent("POST", SLICES, tree)], everything)
    except LookupError as error:
        found = [str(error)]
    assert any(words in each for each in found), found


def test_a_field_that_the_oldest_version_does_not_know() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"trafficDistribution": "x"}}
    [found] = judge([sent("PUT", "/api/v1/namespaces/default/services/a", service)], everything)
    assert found.endswith("in 1.29: spec: Additional properties are not allowed ('trafficDistribution' was unexpected)")
    hints = [{"addresses": ["10.0.0.1"], "hints": {"forNodes": [{"name": "node-1"}]}}]
    assert problems(a_slice(endpoints=hints), OLDEST, strict=True) != []
    assert problems(a_slice(endpoints=hints), NEWEST, strict=True) == []
    assert judge([sent("POST", SLICES, a_slice(endpoints=hints))], everything) == []


def test_a_patch_is_judged_by_itself_and_by_its_result() -> None:
    path = "/api/v1/nodes/node-1/status"
    condition = {"type": "Ready", "status": "True"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"conditions": [condition]}}
    good = sent("PATCH", path, {"status": {"conditions": [condition]}}, MERGE_PATCH, node)
    assert judge([good], everything) == []
    alone = sent("PATCH", path, {"status": {"condition": []}}, MERGE_PATCH, node)
    assert len(judge([alone], everything)) == 2
    half = {**node, "status": {"conditions": [{"type": "Ready"}]}}
    [one, other] = judge([sent("PATCH", path, {"status": {"conditions": [{"type": "Ready"}]}}, MERGE_PATCH, half)], everything)
    assert "the result: status.conditions.0: 'status' is a required property" in one
    assert "the result, in 1.29" in other
    assert "no patch of this kind" in judge([sent("PATCH", path, {}, "application/apply-patch+yaml")], everything)[0]


def test_options_of_a_delete() -> None:
    path = "/api/v1/namespaces/default/pods/a"
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "1"}, "gracePeriodSeconds": 0}
    assert judge([sent("DELETE", path, options)], everything) == []
    assert judge([sent("DELETE", path, {**options, "grace": 0})], everything) != []


def test_what_a_role_may_not_is_told() -> None:
    watch = Exchange("role", "GET", SLICES, {"watch": "1"})
    [found] = judge([watch, watch], nothing)
    assert found.endswith("its role may not watch endpointslices.discovery.k8s.io")
    assert "no kind lives at" in judge([sent("GET", "/api/v1/widgets")], everything)[0]


def test_rules_of_rbac() -> None:
    rights = (
        Rule("", ("services",), ("list", "watch")),
        Rule("", ("services/status",), ("patch",)),
        Rule("coordination.k8s.io", ("leases",), ("get", "update"), ("moorage-controller",), "moorage-system"),
        Rule("coordination.k8s.io", ("leases",), ("create",), (), "moorage-system"),
    )
    may = [
        Ask("list", "services"),
        Ask("watch", "services", namespace="shop"),
        Ask("patch", "services", subresource="status", namespace="shop", name="web"),
        Ask("update", "leases", "coordination.k8s.io", namespace="moorage-system", name="moorage-controller"),
        Ask("create", "leases", "coordination.k8s.io", namespace="moorage-system", name="moorage-controller"),
    ]
    may_not = [
        Ask("get", "services", namespace="shop", name="web"),
        Ask("patch", "services", namespace="shop", name="web"),
        Ask("list", "services", "moorage.dev"),
        Ask("update", "leases", "coordination.k8s.io", namespace="moorage-system", name="another"),
        Ask("update", "leases", "coordination.k8s.io", namespace="default", name="moorage-controller"),
        Ask("create", "leases", "coordination.k8s.io", namespace="default"),
        Ask("list", "leases", "coordination.k8s.io", namespace="moorage-system"),
    ]
    assert [permits(rights, each) for each in may] == [True] * len(may)
    assert [permits(rights, each) for each in may_not] == [False] * len(may_not)


def test_a_create_has_no_name_yet() -> None:
    named = (Rule("", ("configmaps",), ("create", "get"), ("moorage",)),)
    assert not permits(named, Ask("create", "configmaps", namespace="a", name="moorage"))
    assert permits(named, Ask("get", "configmaps", namespace="a", name="moorage"))


def test_a_selector_of_one_name_asks_about_that_name() -> None:
    one = Exchange("role", "GET", "/api/v1/nodes", {"fieldSelector": "metadata.name=node-1", "watch": "true"})
    assert (one.ask.verb, one.ask.name) == ("watch", "node-1")
    assert permits((Rule("", ("nodes",), ("watch",), ("node-1",)),), one.ask)


def test_a_table_of_roles() -> None:
    allowed = by_table({"node": (Rule("discovery.k8s.io", ("endpointslices",), ("list",)),), "edge": ()})
    asked = msgspec.structs.replace(sent("GET", SLICES), agent="moorage-node")
    assert judge([asked], allowed) == []
    assert len(judge([msgspec.structs.replace(asked, agent="moorage-edge")], allowed)) == 1
