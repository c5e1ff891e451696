"""Configuration, accounts, Ingresses and namespaces that end, as users of kubectl see them."""

from __future__ import annotations

from tests.kubectl.conftest import Kubectl

KEPT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, finalizers: [example.com/mine]}
"""


def test_config_maps_and_secrets(kubectl: Kubectl) -> None:
    assert kubectl.ok("create", "configmap", "colours", "--from-literal=sky=blue") == "configmap/colours created\n"
    assert kubectl.ok("create", "secret", "generic", "code", "--from-literal=pin=1234") == "secret/code created\n"
    assert kubectl.ok("get", "cm", "colours", "-o", "jsonpath={.data.sky}") == "blue"
    assert kubectl.ok("get", "secret", "code", "-o", "jsonpath={.data.pin}") == "MTIzNA=="
    [name, type_, data, _] = kubectl.ok("get", "secret", "code", "--no-headers").split()
    assert (name, type_, data) == ("code", "Opaque", "1")
    assert "pin:  4 bytes" in kubectl.ok("describe", "secret", "code")
    kubectl.ok("patch", "cm", "colours", "-p", '{"immutable":true}')
    refusal = kubectl.fails("patch", "cm", "colours", "-p", '{"data":{"sky":"red"}}')
    assert "data: Forbidden: field is immutable when `immutable` is set" in refusal


def test_a_token_of_an_account(kubectl: Kubectl) -> None:
    kubectl.ok("create", "serviceaccount", "bob")
    token = kubectl.ok("create", "token", "bob", "--duration=10m").strip()
    assert token.count(".") == 2
    assert 'serviceaccounts "eve" not found' in kubectl.fails("create", "token", "eve")


def test_an_ingress(kubectl: Kubectl) -> None:
    kubectl.ok("create", "ingress", "web", "--class=mine", "--rule=example.com/*=web:80,tls=cert")
    words = kubectl.ok("get", "ing", "web", "--no-headers").split()
    assert words[:3] == ["web", "mine", "example.com"]
    assert "80, 443" in kubectl.ok("get", "ing", "web", "--no-headers")
    assert "/   web:80" in kubectl.ok("describe", "ing", "web")


def test_events_of_both_versions(kubectl: Kubectl) -> None:
    event = f"""
apiVersion: events.k8s.io/v1
kind: Event
metadata: {{name: told}}
eventTime: "2026-01-01T00:00:00.000000Z"
reportingController: example.com/tester
reportingInstance: tester-1
action: Testing
reason: Tested
type: Normal
note: all is well
regarding: {{kind: Pod, name: web, namespace: {kubectl.namespace}}}
"""
    kubectl.ok("create", "-f", "-", given=event)
    assert kubectl.ok("get", "events", "told", "-o", "jsonpath={.message}") == "all is well"
    assert kubectl.ok("get", "events.events.k8s.io", "told", "-o", "jsonpath={.note}") == "all is well"
    assert "all is well" in kubectl.ok("events")


def test_a_namespace_waits_for_finalizers(kubectl: Kubectl) -> None:
    """Source of the refusal: the admission plugin NamespaceLifecycle."""
    kubectl.ok("create", "-f", "-", given=KEPT)
    kubectl.ok("create", "configmap", "gone")
    kubectl.ok("delete", "namespace", kubectl.namespace, "--wait=false")
    assert kubectl.ok("get", "ns", kubectl.namespace, "--no-headers").split()[1] == "Terminating"
    assert kubectl.ok("get", "cm", "-o", "name") == "configmap/kept\n"
    refusal = kubectl.fails("create", "configmap", "late")
    why = f"unable to create new content in namespace {kubectl.namespace} because it is being terminated"
    assert f'configmaps "late" is forbidden: {why}' in refusal
    kubectl.ok("patch", "cm", "kept", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert f'namespaces "{kubectl.namespace}" not found' in kubectl.fails("get", "ns", kubectl.namespace)


def test_cascades_are_left_to_the_collector(kubectl: Kubectl) -> None:
    """Without a controller, the finalizers tell what is asked for."""
    for cascade, finalizer in (("foreground", "foregroundDeletion"), ("orphan", "orphan")):
        kubectl.ok("create", "configmap", cascade)
        kubectl.ok("delete", "cm", cascade, f"--cascade={cascade}", "--wait=false")
        assert kubectl.ok("get", "cm", cascade, "-o", "jsonpath={.metadata.finalizers}") == f'["{finalizer}"]'
        kubectl.ok("delete", "cm", cascade, "--cascade=background")
        assert kubectl.ok("get", "cm", cascade, "--ignore-not-found") == ""
