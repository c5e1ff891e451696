"""`kubectl create KIND`: what kubectl makes itself and, for some kinds, sends as protobuf."""

from __future__ import annotations

import pytest

from tests.kubectl.conftest import Kubectl

COMMANDS = {
    "configmap": ["configmap", "made", "--from-literal=a=b"],
    "secret": ["secret", "generic", "made", "--from-literal=a=b"],
    "serviceaccount": ["serviceaccount", "made"],
    "service clusterip": ["service", "clusterip", "made", "--tcp=80:8080"],
    "service nodeport": ["service", "nodeport", "made", "--tcp=80:8080"],
    "service loadbalancer": ["service", "loadbalancer", "made", "--tcp=80:8080"],
    "service externalname": ["service", "externalname", "made", "--external-name=example.com"],
    "ingress": ["ingress", "made", "--rule=example.com/path*=web:80"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_create(kubectl: Kubectl, command: list[str]) -> None:
    kind = "svc" if command[0] == "service" else command[0]
    assert "/made created (server dry run)" in kubectl.ok("create", *command, "--dry-run=server")
    assert "/made created" in kubectl.ok("create", *command)
    assert kubectl.ok("get", kind, "made", "-o", "name").endswith("/made\n")
    assert '"made" already exists' in kubectl.fails("create", *command)


def test_what_is_made_is_what_was_meant(kubectl: Kubectl) -> None:
    kubectl.ok("create", *COMMANDS["secret"])
    assert kubectl.ok("get", "secret", "made", "-o", "jsonpath={.type} {.data.a}") == "Opaque Yg=="
    kubectl.ok("create", *COMMANDS["ingress"])
    rule = "{.spec.rules[0].host} {.spec.rules[0].http.paths[0].backend.service.port.number}"
    assert kubectl.ok("get", "ingress", "made", "-o", f"jsonpath={rule}") == "example.com 80"
