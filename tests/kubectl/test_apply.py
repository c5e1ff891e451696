"""kubectl apply --server-side: ownership, conflicts, the move from client-side apply."""

from __future__ import annotations

import json
from typing import Any

from tests.kubectl.conftest import Kubectl
from tests.kubectl.manifests import POD, SERVICE, pool


def apply(kubectl: Kubectl, manifest: str, *more: str) -> str:
    return kubectl.ok("apply", "--server-side", "-f", "-", *more, given=manifest)


def service(kubectl: Kubectl) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl.ok("get", "service", "web", "-o", "json", "--show-managed-fields"))
    return found


def owners(kubectl: Kubectl) -> list[tuple[str, str]]:
    return [(each["manager"], each["operation"]) for each in service(kubectl)["metadata"]["managedFields"]]


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    assert apply(kubectl, SERVICE) == "service/web serverside-applied\n"
    first = service(kubectl)
    assert owners(kubectl) == [("kubectl", "Apply")]
    assert apply(kubectl, SERVICE) == "service/web serverside-applied\n"
    again = service(kubectl)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    apply(kubectl, SERVICE.replace("port: 80", "port: 81"))
    changed = service(kubectl)
    assert [each["port"] for each in changed["spec"]["ports"]] == [81]
    assert changed["spec"]["clusterIP"] == first["spec"]["clusterIP"]


CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: config
data: {a: "1", b: "2"}
"""


def test_several_kinds_twice(kubectl: Kubectl) -> None:
    kinds = ["service/web", "pod/web-1", "configmap/config", "ipaddresspool.metallb.io/pool"]
    manifest = "---".join((SERVICE, POD, CONFIG, pool(kubectl.number)))
    expected = "".join(f"{kind} serverside-applied\n" for kind in kinds)
    versions = []
    for _ in range(2):
        assert apply(kubectl, manifest) == expected
        versions.append(kubectl.ok("get", *kinds, "-o", "jsonpath={.items[*].metadata.resourceVersion}"))
    assert versions[0] == versions[1]
    apply(kubectl, CONFIG.replace(', b: "2"', ""))
    assert kubectl.ok("get", "configmap", "config", "-o", "jsonpath={.data}") == '{"a":"1"}'
    apply(kubectl, POD.replace("app: web", "app: other"))
    assert kubectl.ok("get", "pod", "web-1", "-o", "jsonpath={.metadata.labels.app}") == "other"


def test_two_teams_share_a_service(kubectl: Kubectl) -> None:
    """KEP-555: each applies its own part, and takes away its own part only."""
    apply(kubectl, SERVICE)
    part = "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {team: two}}\n"
    apply(kubectl, part + "spec:\n  ports:\n  - {name: https, port: 443}\n", "--field-manager=two")
    assert [each["port"] for each in service(kubectl)["spec"]["ports"]] == [80, 443]
    apply(kubectl, SERVICE)
    assert service(kubectl)["metadata"]["labels"] == {"app": "web", "team": "two"}
    apply(kubectl, part, "--field-manager=two")
    assert [each["port"] for each in service(kubectl)["spec"]["ports"]] == [80]


def test_a_status_is_applied(kubectl: Kubectl) -> None:
    apply(kubectl, SERVICE.replace("type: NodePort", "type: LoadBalancer"))
    status = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nstatus: {loadBalancer: {ingress: [{ip: 198.18.100.1}]}}\n"
    apply(kubectl, status, "--subresource=status", "--field-manager=lb")
    assert service(kubectl)["status"]["loadBalancer"]["ingress"][0]["ip"] == "198.18.100.1"
    entries = {each["manager"]: each for each in service(kubectl)["metadata"]["managedFields"]}
    assert entries["lb"]["subresource"] == "status"


def test_managed_fields_are_hidden_unless_asked_for(kubectl: Kubectl) -> None:
    kubectl.ok("create", "-f", "-", given=SERVICE)
    assert "managedFields" not in kubectl.ok("get", "service", "web", "-o", "yaml")
    assert "manager: kubectl-create" in kubectl.ok("get", "service", "web", "-o", "yaml", "--show-managed-fields")


def test_conflicts_and_force(kubectl: Kubectl) -> None:
    apply(kubectl, SERVICE)
    complaint = kubectl.fails(
        "apply", "--server-side", "--field-manager=other", "-f", "-", given=SERVICE.replace("app: web", "app: other")
    )
    assert "Apply failed with" in complaint
    assert '"kubectl"' in complaint
    assert ".spec.selector" in complaint
    apply(kubectl, SERVICE.replace("app: web", "app: other"), "--field-manager=other", "--force-conflicts")
    assert service(kubectl)["spec"]["selector"] == {"app": "other"}
    assert ("other", "Apply") in owners(kubectl)


def test_from_client_side_to_server_side(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    assert owners(kubectl) == [("kubectl-client-side-apply", "Update")]
    apply(kubectl, SERVICE.replace("app: web", "app: other"))
    assert sorted(owners(kubectl)) == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]
    assert service(kubectl)["spec"]["selector"] == {"app": "other"}
    annotation = service(kubectl)["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(annotation)["spec"]["selector"] == {"app": "other"}
    assert kubectl.ok("apply", "-f", "-", given=SERVICE) == "service/web configured\n"


def test_dry_run_and_diff(kubectl: Kubectl) -> None:
    apply(kubectl, SERVICE)
    before = service(kubectl)
    changed = SERVICE.replace("port: 80", "port: 81")
    assert apply(kubectl, changed, "--dry-run=server") == "service/web serverside-applied (server dry run)\n"
    done = kubectl.run("diff", "--server-side", "-f", "-", given=changed)
    assert done.returncode == 1, done.stderr
    assert "\n+    port: 81\n" in done.stdout
    assert service(kubectl) == before
    assert kubectl.run("diff", "--server-side", "-f", "-", given=SERVICE).returncode == 0


def test_what_cannot_be_applied(kubectl: Kubectl) -> None:
    wrong = SERVICE.replace("port: 80", "port: 80\n    prot: TCP")
    complaint = kubectl.fails("apply", "--server-side", "--validate=false", "-f", "-", given=wrong)
    assert "prot: field not declared in schema" in complaint


def test_owners_are_forgotten_on_request(kubectl: Kubectl) -> None:
    apply(kubectl, SERVICE)
    kubectl.ok("patch", "service", "web", "--type=merge", "-p", '{"metadata":{"managedFields":[{}]}}')
    assert "managedFields" not in service(kubectl)["metadata"]
    kubectl.ok("label", "service", "web", "a=b")
    assert "managedFields" not in service(kubectl)["metadata"]
    apply(kubectl, SERVICE)
    assert owners(kubectl) == [("kubectl", "Apply"), ("before-first-apply", "Update")]
