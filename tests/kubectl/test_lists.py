"""Lists as kubectl asks for them: in pages, by selectors, and deleted together."""

from __future__ import annotations

import pytest

from tests.kubectl.conftest import Kubectl


@pytest.fixture
def filled(kubectl: Kubectl) -> Kubectl:
    for name in "abcde":
        kubectl.ok("create", "configmap", name, "--from-literal=k=v")
        kubectl.ok("label", "configmap", name, f"name={name}", f"weight={ord(name) - 96}")
    return kubectl


def names(kubectl: Kubectl, *more: str) -> str:
    told = kubectl.ok("get", "configmaps", "-o", "name", *more)
    return "".join(line.removeprefix("configmap/") for line in told.split() if "kube-root-ca" not in line)


def test_pages_and_selectors(filled: Kubectl) -> None:
    assert names(filled, "--chunk-size=2") == "abcde"
    assert names(filled, "-l", "name in (b,d)", "--chunk-size=1") == "bd"
    assert names(filled, "-l", "name,name notin (a),weight<4") == "bc"
    assert names(filled, "--field-selector", "metadata.name!=a", "-l", "name") == "bcde"
    assert "expected: in, notin, =, ==, !=, gt, lt" in filled.fails("get", "--raw", "/api/v1/configmaps?labelSelector=a+is+b")


def test_deleted_together(filled: Kubectl) -> None:
    assert "(server dry run)" in filled.ok("delete", "configmaps", "-l", "name", "--dry-run=server")
    assert names(filled) == "abcde"
    filled.ok("delete", "configmaps", "-l", "weight>3")
    assert names(filled) == "abc"
