"""Paths name collections, objects and subresources; methods mean verbs there."""

from __future__ import annotations

import pytest

from moorage.api.routes import Target, Verb, find, verb
from moorage.model.kinds import ENDPOINT_SLICES, IP_ADDRESS_POOLS, NAMESPACES, NODES, PODS, SERVICES


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/services", Target(SERVICES)),
        ("/api/v1/namespaces/default/services", Target(SERVICES, "default")),
        ("/api/v1/namespaces/default/services/", Target(SERVICES, "default")),
        ("/api/v1/namespaces/default/services/web", Target(SERVICES, "default", "web")),
        ("/api/v1/namespaces/default/services/web/status", Target(SERVICES, "default", "web", "status")),
        ("/api/v1/namespaces/default/pods/a/binding", Target(PODS, "default", "a", "binding")),
        ("/api/v1/namespaces", Target(NAMESPACES)),
        ("/api/v1/namespaces/default", Target(NAMESPACES, "", "default")),
        ("/api/v1/namespaces/default/status", Target(NAMESPACES, "", "default", "status")),
        ("/api/v1/nodes/node-1", Target(NODES, "", "node-1")),
        ("/apis/discovery.k8s.io/v1/endpointslices", Target(ENDPOINT_SLICES)),
        ("/apis/metallb.io/v1beta1/namespaces/m/ipaddresspools/p", Target(IP_ADDRESS_POOLS, "m", "p")),
    ],
)
def test_paths_that_name_something(path: str, expected: Target) -> None:
    assert find(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/discovery.k8s.io/v1",
        "/api/v2/services",
        "/api/v1/spoons",
        "/api/v1/services/web",
        "/api/v1//services",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/namespaces/default/services/web/binding",
        "/api/v1/namespaces/default/services/web/status/more",
        "/apis/v1/services",
        "/services",
    ],
)
def test_paths_that_name_nothing(path: str) -> None:
    assert find(path) is None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", Verb.LIST),
        ("POST", "/api/v1/pods", None),
        ("POST", "/api/v1/namespaces/default/pods", Verb.CREATE),
        ("POST", "/api/v1/nodes", Verb.CREATE),
        ("DELETE", "/api/v1/namespaces/default/pods", Verb.DELETE_COLLECTION),
        ("PUT", "/api/v1/namespaces/default/pods", None),
        ("GET", "/api/v1/nodes/n", Verb.GET),
        ("PUT", "/api/v1/nodes/n", Verb.UPDATE),
        ("PATCH", "/api/v1/nodes/n/status", Verb.PATCH),
        ("DELETE", "/api/v1/nodes/n/status", None),
        ("POST", "/api/v1/namespaces/default/pods/p/binding", Verb.CREATE),
        ("GET", "/api/v1/namespaces/default/pods/p/binding", None),
        ("OPTIONS", "/api/v1/nodes/n", None),
    ],
)
def test_methods_mean_verbs(method: str, path: str, expected: Verb | None) -> None:
    target = find(path)
    assert target is not None
    assert verb(method, target) is expected
