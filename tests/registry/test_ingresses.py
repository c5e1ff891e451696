"""Ingress and IngressClass: rows are cases of upstream's `pkg/apis/networking/validation/validation_test.go`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.ingress import Ingress, IngressClass
from moorage.model.kinds import INGRESS_CLASSES, INGRESSES
from tests.registry.world import World, causes, refused

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def ruled(host: str = "foo.com", **path: Any) -> dict[str, Any]:
    given = {"path": "/", "pathType": "Prefix", "backend": BACKEND, **path}
    return {"rules": [{"host": host, "http": {"paths": [given]}}]}


PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"]),
        (ruled("1.2.3.4"), ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address']),
        (ruled(path="x"), [f'{PATH}.path: Invalid value: "x": must be an absolute path']),
        (ruled(path="/a//b"), [f"{PATH}.path: Invalid value: \"/a//b\": must not contain '//'"]),
        (ruled(path="/a/.."), [f"{PATH}.path: Invalid value: \"/a/..\": cannot end with '/..'"]),
        (ruled(pathType=None), [f"{PATH}.pathType: Required value: pathType must be specified"]),
        (
            ruled(pathType="Regex"),
            [f'{PATH}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"'],
        ),
        (ruled(backend={}), [f'{PATH}.backend: Invalid value: "": resource or service backend is required']),
        (
            ruled(backend={**BACKEND, "resource": {"kind": "K", "name": "n"}}),
            [f'{PATH}.backend: Invalid value: "": cannot set both resource and service backends'],
        ),
        (ruled(backend={"resource": {"name": "n"}}), [f"{PATH}.backend.resource.kind: Required value"]),
        (
            ruled(backend={"service": {"name": "web", "port": {"name": "http", "number": 80}}}),
            [f'{PATH}.backend: Invalid value: "": cannot set both port name & port number'],
        ),
        (ruled(backend={"service": {"name": "web"}}), [f"{PATH}.backend: Required value: port name or number is required"]),
        ({"defaultBackend": {"service": {"port": {"number": 1}}}}, ["spec.defaultBackend.service.name: Required value"]),
        ({"rules": [{"http": {}}]}, ["spec.rules[0].http.paths: Required value"]),
    ],
)
def test_ingress_rules(spec: dict[str, Any], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(INGRESSES, {"metadata": {"name": "it"}, "spec": spec}), 422)
    assert causes(error) == expected


@pytest.mark.parametrize("host", ["*.foo.com", "foo.com", ""])
def test_hosts(host: str) -> None:
    world = World()
    world.create(INGRESSES, {"metadata": {"name": "it"}, "spec": ruled(host)})
    assert world.get(Ingress, "it").metadata.generation == 1


@pytest.mark.parametrize("host", ["*.*.com", "foo.*.com", "*"])
def test_wildcards_stand_first_and_alone(host: str) -> None:
    world = World()
    (error,) = causes(refused(world, lambda: world.create(INGRESSES, {"metadata": {"name": "it"}, "spec": ruled(host)}), 422))
    assert "a wildcard DNS-1123 subdomain must start with '*.'" in error


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["spec.controller: Required value"]),
        (
            {"controller": "none"},
            ['spec.controller: Invalid value: "none": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        (
            {"controller": "a.io/b", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
        (
            {"controller": "a.io/b", "parameters": {"kind": "K", "name": "n", "namespace": "x"}},
            ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
        ),
    ],
)
def test_class_rules(spec: dict[str, Any], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(INGRESS_CLASSES, {"metadata": {"name": "it"}, "spec": spec}), 422)
    assert causes(error) == expected


def test_the_controller_of_a_class_stays() -> None:
    world = World()
    world.create(INGRESS_CLASSES, {"metadata": {"name": "it"}, "spec": {"controller": "a.io/b"}})
    error = refused(world, lambda: world.merge(INGRESS_CLASSES, "it", {"spec": {"controller": "a.io/c"}}), 422)
    assert causes(error) == ['spec.controller: Invalid value: "a.io/c": field is immutable']
    assert world.get(IngressClass, "it").spec.parameters is None


def test_an_ingress_without_a_class_gets_the_newest_default() -> None:
    """Source: the admission plugin DefaultIngressClass."""
    world = World()
    default = {"ingressclass.kubernetes.io/is-default-class": "true"}
    for name, given in (("old", default), ("plain", {}), ("new", default)):
        world.now += 1
        metadata = {"name": name, "annotations": given}
        world.create(INGRESS_CLASSES, {"metadata": metadata, "spec": {"controller": "a.io/b"}})
    world.create(INGRESSES, {"metadata": {"name": "it"}, "spec": ruled()})
    world.create(INGRESSES, {"metadata": {"name": "own"}, "spec": {**ruled(), "ingressClassName": "plain"}})
    legacy = {"name": "legacy", "annotations": {"kubernetes.io/ingress.class": "plain"}}
    world.create(INGRESSES, {"metadata": legacy, "spec": ruled()})
    classes = [world.get(Ingress, name).spec.ingress_class_name for name in ("it", "own", "legacy")]
    assert classes == ["new", "plain", None]
