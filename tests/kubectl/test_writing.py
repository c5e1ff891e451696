"""apply, create, edit, patch, label, annotate, replace, delete, wait: what kubectl changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kubectl.conftest import COMMAND_SECONDS, Kubectl
from tests.kubectl.manifests import POD, SERVICE, node, pool


def read(kubectl: Kubectl, *what: str) -> Any:
    return json.loads(kubectl.ok("get", *what, "-o", "json"))


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    assert kubectl.ok("apply", "-f", "-", given=SERVICE) == "service/web created\n"
    first = read(kubectl, "svc", "web")
    assert kubectl.ok("apply", "-f", "-", given=SERVICE) == "service/web unchanged\n"
    changed = SERVICE.replace("targetPort: 8080", "targetPort: 9090") + "  - {name: more, port: 81}\n"
    assert kubectl.ok("apply", "-f", "-", given=changed) == "service/web configured\n"
    second = read(kubectl, "svc", "web")
    assert [(each["name"], each["targetPort"]) for each in second["spec"]["ports"]] == [("http", 9090), ("more", 81)]
    assert second["spec"]["ports"][0]["nodePort"] == first["spec"]["ports"][0]["nodePort"]
    assert second["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    assert kubectl.ok("apply", "-f", "-", given=SERVICE.replace("  labels: {app: web}\n", "")) == "service/web configured\n"
    third = read(kubectl, "svc", "web")
    assert [each["name"] for each in third["spec"]["ports"]] == ["http"]
    assert "labels" not in third["metadata"]


@pytest.mark.parametrize("name", ["pod/web-1", "ipaddresspool.metallb.io/pool"])
def test_apply_of_kinds_with_untyped_parts(kubectl: Kubectl, name: str) -> None:
    manifest = POD if name.startswith("pod/") else pool(kubectl.number)
    assert kubectl.ok("apply", "-f", "-", given=manifest) == f"{name} created\n"
    done = kubectl.run("apply", "-f", "-", given=manifest)
    assert (done.stdout, done.stderr) == (f"{name} unchanged\n", "")
    labelled = manifest.replace("metadata:\n", "metadata:\n  annotations: {new: thing}\n", 1)
    done = kubectl.run("apply", "-f", "-", given=labelled)
    assert (done.stdout, done.stderr) == (f"{name} configured\n", "")


def test_apply_of_several_documents_and_a_list(kubectl: Kubectl) -> None:
    assert kubectl.ok("apply", "-f", "-", given=f"{SERVICE}---{POD}") == "service/web created\npod/web-1 created\n"
    assert kubectl.ok("apply", "--dry-run=server", "-f", "-", given=SERVICE) == "service/web unchanged (server dry run)\n"
    listed = kubectl.ok("get", "svc,pod", "-o", "yaml")
    assert kubectl.ok("delete", "-f", "-", given=listed).count("deleted") == 2


def test_create_commands(kubectl: Kubectl) -> None:
    other = f"{kubectl.namespace}-other"
    assert kubectl.ok("create", "namespace", other) == f"namespace/{other} created\n"
    assert kubectl.ok("create", "service", "nodeport", "np", "--tcp=80:8080", "--node-port=30042", "-n", other) == (
        "service/np created\n"
    )
    port = read(kubectl, "svc", "np", "-n", other)["spec"]["ports"][0]
    assert (port["port"], port["targetPort"], port["nodePort"]) == (80, 8080, 30042)
    assert kubectl.ok("create", "service", "loadbalancer", "lb", "--tcp=80:http") == "service/lb created\n"
    assert read(kubectl, "svc", "lb")["spec"]["ports"][0]["targetPort"] == "http"
    assert kubectl.ok("create", "service", "externalname", "en", "--external-name=db.example") == "service/en created\n"
    assert kubectl.ok("create", "service", "clusterip", "cip", "--clusterip=None") == "service/cip created\n"
    assert kubectl.ok("run", "p", "--image=moorage/echo", "--port=8080") == "pod/p created\n"
    assert kubectl.ok("expose", "pod", "p", "--port=80") == "service/p exposed\n"
    assert read(kubectl, "svc", "p")["spec"]["selector"] == {"run": "p"}
    deleted = kubectl.ok("delete", "namespace", other, f"--timeout={COMMAND_SECONDS:.0f}s")
    assert deleted == f'namespace "{other}" deleted\n'
    assert f'namespaces "{other}" not found' in kubectl.fails("get", "namespace", other)
    assert kubectl.ok("create", "service", "nodeport", "np", "--tcp=80", "--node-port=30042") == "service/np created\n"
    kubectl.ok("delete", "svc", "np")


def test_edit(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    edited = kubectl.ok("edit", "service", "web", editor="sed -i 's/targetPort: 8080/targetPort: 9090/'")
    assert edited == "service/web edited\n"
    assert read(kubectl, "svc", "web")["spec"]["ports"][0]["targetPort"] == 9090
    assert kubectl.run("edit", "service", "web", editor="true").stderr == "Edit cancelled, no changes made.\n"


@pytest.mark.parametrize(
    ("type_", "patch"),
    [
        ("strategic", '{"spec":{"ports":[{"port":80,"targetPort":9090}]}}'),
        ("merge", '{"spec":{"ports":[{"name":"http","port":80,"targetPort":9090}]}}'),
        ("json", '[{"op":"replace","path":"/spec/ports/0/targetPort","value":9090}]'),
    ],
)
def test_patch(kubectl: Kubectl, type_: str, patch: str) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    assert kubectl.ok("patch", "svc", "web", f"--type={type_}", "-p", patch) == "service/web patched\n"
    assert kubectl.ok("patch", "svc", "web", f"--type={type_}", "-p", patch) == "service/web patched (no change)\n"
    port = read(kubectl, "svc", "web")["spec"]["ports"][0]
    assert (port["name"], port["targetPort"]) == ("http", 9090)


def test_patch_of_a_status(kubectl: Kubectl) -> None:
    kubectl.ok("create", "service", "loadbalancer", "lb", "--tcp=80")
    patch = '{"status":{"loadBalancer":{"ingress":[{"ip":"198.18.100.1"}]}}}'
    kubectl.ok("patch", "svc", "lb", "--subresource=status", "--type=merge", "-p", patch)
    assert kubectl.ok("get", "svc", "lb", "--no-headers").split()[3] == "198.18.100.1"


def test_label_and_annotate(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    assert kubectl.ok("label", "svc", "web", "tier=front") == "service/web labeled\n"
    assert "already has a value" in kubectl.fails("label", "svc", "web", "tier=back")
    kubectl.ok("label", "svc", "web", "tier=back", "--overwrite")
    kubectl.ok("label", "svc", "web", "app-")
    kubectl.ok("annotate", "svc", "web", "example.com/note=a note")
    metadata = read(kubectl, "svc", "web")["metadata"]
    assert metadata["labels"] == {"tier": "back"}
    assert metadata["annotations"]["example.com/note"] == "a note"


def test_replace(kubectl: Kubectl) -> None:
    kubectl.ok("create", "-f", "-", given=SERVICE)
    assert 'services "web" already exists' in kubectl.fails("create", "-f", "-", given=SERVICE)
    whole = read(kubectl, "svc", "web")
    whole["spec"]["selector"] = {"app": "new"}
    assert kubectl.ok("replace", "-f", "-", given=json.dumps(whole)) == "service/web replaced\n"
    assert "the object has been modified" in kubectl.fails("replace", "-f", "-", given=json.dumps(whole))


def test_delete(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=f"{SERVICE}---{POD}")
    assert 'service "web" deleted' in kubectl.ok("delete", "svc", "web")
    assert 'services "web" not found' in kubectl.fails("delete", "svc", "web")
    assert kubectl.ok("delete", "svc", "web", "--ignore-not-found") == ""
    assert 'pod "web-1" deleted' in kubectl.ok("delete", "pod", "-l", "app=web")
    kubectl.ok("apply", "-f", "-", given=POD)
    assert 'pod "web-1" force deleted' in kubectl.ok("delete", "pod", "--all", "--force")


def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    kubectl.ok("patch", "svc", "web", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    waiting = kubectl.start("delete", "svc", "web", f"--timeout={COMMAND_SECONDS:.0f}s")
    try:
        kubectl.ok("wait", "svc/web", "--for=jsonpath={.metadata.deletionTimestamp}", f"--timeout={COMMAND_SECONDS:.0f}s")
        assert waiting.poll() is None
        kubectl.ok("patch", "svc", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
        out, err = waiting.communicate(timeout=COMMAND_SECONDS)
        assert waiting.returncode == 0, err
        assert 'service "web" deleted' in out
    finally:
        waiting.kill()
        waiting.wait()


def test_wait(kubectl: Kubectl) -> None:
    name = f"node-{kubectl.namespace}"
    kubectl.ok("apply", "-f", "-", given=f"{SERVICE}---{node(name)}")
    timeout = f"--timeout={COMMAND_SECONDS:.0f}s"
    assert kubectl.ok("wait", "svc/web", "--for=jsonpath={.spec.type}=NodePort", timeout) == "service/web condition met\n"
    waiting = kubectl.start("wait", f"node/{name}", "--for=condition=Ready", timeout)
    try:
        patch = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
        kubectl.ok("patch", "node", name, "--subresource=status", "-p", patch)
        out, err = waiting.communicate(timeout=COMMAND_SECONDS)
        assert (waiting.returncode, out) == (0, f"node/{name} condition met\n"), err
    finally:
        waiting.kill()
        waiting.wait()
    waiting = kubectl.start("wait", "svc/web", "--for=delete", timeout)
    try:
        kubectl.ok("delete", "svc", "web", "--wait=false")
        _, err = waiting.communicate(timeout=COMMAND_SECONDS)
        assert waiting.returncode == 0 or "not found" in err
    finally:
        waiting.kill()
        waiting.wait()
    assert "timed out waiting" in kubectl.fails("wait", f"node/{name}", "--for=condition=Spoon", "--timeout=1s")
