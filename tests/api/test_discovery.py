"""What the API says that it serves."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.api.discovery import DEFINITIONS, documents
from moorage.api.review_types import REVIEWS
from moorage.model.kinds import KINDS

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBECTL = f"{V2},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
GROUPS = ["discovery.k8s.io", "coordination.k8s.io", "metallb.io", "networking.k8s.io"]


def read(path: str, accept: str = "") -> Any:
    return msgspec.json.decode(b"".join(documents()[path](accept).body))


SERVED = (*KINDS, *REVIEWS)
GROUPS = list(dict.fromkeys(kind.group for kind in SERVED if kind.group))


def test_paths() -> None:
    below = {f"/apis/{kind.api_version}" for kind in SERVED if kind.group}
    assert set(documents()) == {
        DEFINITIONS,
        "/version",
        "/api",
        "/api/v1",
        "/apis",
        *(f"/apis/{each}" for each in GROUPS),
        *below,
    }


def test_there_are_no_definitions_of_custom_kinds() -> None:
    """Source: cli-runtime `pkg/resource/crd_finder.go`."""
    assert (read(DEFINITIONS)["kind"], read(DEFINITIONS)["items"]) == ("CustomResourceDefinitionList", [])


def test_groups() -> None:
    assert read("/api")["versions"] == ["v1"]
    assert [each["name"] for each in read("/apis")["groups"]] == GROUPS
    version = {"groupVersion": "discovery.k8s.io/v1", "version": "v1"}
    assert read("/apis/discovery.k8s.io") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "discovery.k8s.io",
        "versions": [version],
        "preferredVersion": version,
    }


def test_of_several_versions_the_youngest_is_preferred() -> None:
    """Source: apimachinery `pkg/version/helpers.go`."""
    group = read("/apis/metallb.io")
    assert [each["version"] for each in group["versions"]] == ["v1beta2", "v1beta1"]
    assert group["preferredVersion"]["version"] == "v1beta2"
    assert [each["name"] for each in read("/apis/metallb.io/v1beta2")["resources"]] == ["bgppeers"]


def test_resources() -> None:
    found = {each["name"]: each for each in read("/api/v1")["resources"]}
    assert set(found) == {
        name
        for kind in KINDS
        if not kind.group
        for name in (kind.plural, *(f"{kind.plural}/{each}" for each in kind.subresources))
    }
    assert found["services"] == {
        "name": "services",
        "singularName": "service",
        "namespaced": True,
        "kind": "Service",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["svc"],
        "categories": ["all"],
    }
    assert (found["pods/binding"]["kind"], found["pods/binding"]["verbs"]) == ("Binding", ["create"])
    assert read("/apis/discovery.k8s.io/v1")["groupVersion"] == "discovery.k8s.io/v1"


def test_reviews_can_only_be_created() -> None:
    found = read("/apis/authorization.k8s.io/v1")["resources"]
    assert {each["name"]: (each["verbs"], each["namespaced"]) for each in found} == {
        "localsubjectaccessreviews": (["create"], True),
        "selfsubjectaccessreviews": (["create"], False),
        "selfsubjectrulesreviews": (["create"], False),
        "subjectaccessreviews": (["create"], False),
    }


def test_aggregated() -> None:
    response = documents()["/apis"](KUBECTL)
    assert response.content_type == V2
    found = msgspec.json.decode(b"".join(response.body))
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert [each["metadata"]["name"] for each in found["items"]] == GROUPS
    core = read("/api", KUBECTL)["items"]
    assert [each["metadata"]["name"] for each in core] == [""]
    pods = next(each for each in core[0]["versions"][0]["resources"] if each["resource"] == "pods")
    assert (pods["scope"], pods["shortNames"]) == ("Namespaced", ["po"])
    assert [each["subresource"] for each in pods["subresources"]] == ["status", "binding"]
    assert read("/apis", KUBECTL.replace("v=v2;", "v=v3;"))["apiVersion"] == "apidiscovery.k8s.io/v2beta1"


def test_plain_when_that_is_preferred() -> None:
    assert read("/apis", f"application/json,{V2}")["kind"] == "APIGroupList"
    assert read("/apis", "application/vnd.kubernetes.protobuf")["kind"] == "APIGroupList"
