"""What the API says that it serves."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.api.discovery import documents

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBECTL = f"{V2},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
GROUPS = ["discovery.k8s.io", "coordination.k8s.io", "metallb.io", "networking.k8s.io"]


def read(path: str, accept: str = "") -> Any:
    return msgspec.json.decode(b"".join(documents()[path](accept).body))


def test_paths() -> None:
    assert set(documents()) == {
        "/version",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/discovery.k8s.io",
        "/apis/discovery.k8s.io/v1",
        "/apis/coordination.k8s.io",
        "/apis/coordination.k8s.io/v1",
        "/apis/metallb.io",
        "/apis/metallb.io/v1beta1",
        "/apis/networking.k8s.io",
        "/apis/networking.k8s.io/v1",
    }


def test_groups() -> None:
    assert read("/api")["versions"] == ["v1"]
    groups = read("/apis")["groups"]
    assert [each["name"] for each in groups] == GROUPS
    version = {"groupVersion": "metallb.io/v1beta1", "version": "v1beta1"}
    assert read("/apis/metallb.io") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "metallb.io",
        "versions": [version],
        "preferredVersion": version,
    }


def test_resources() -> None:
    found = {each["name"]: each for each in read("/api/v1")["resources"]}
    assert set(found) == {
        "endpoints",
        "events",
        "namespaces",
        "namespaces/status",
        "nodes",
        "nodes/status",
        "pods",
        "pods/status",
        "pods/binding",
        "services",
        "services/status",
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
