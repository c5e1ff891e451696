"""Bad input: a clear error, exit status 1, and nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.kubectl.conftest import Kubectl
from tests.kubectl.manifests import SERVICE
from tests.server import Server


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("port: 80", "port: 70000"),
            'The Service "web" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
        ),
        (("port: 80", "port: eighty"), 'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string'),
        (("type: NodePort", "type: Spoon"), 'spec.type: Unsupported value: "Spoon": supported values: "ClusterIP"'),
        (("type: NodePort", "spoon: big"), 'strict decoding error: unknown field "spec.spoon"'),
        (("kind: Service", "kind: Spoon"), 'no matches for kind "Spoon" in version "v1"'),
        (("apiVersion: v1", "apiVersion: nobody.example/v1"), 'no matches for kind "Service" in version "nobody.example/v1"'),
        (("name: web", "name: Web_1"), 'metadata.name: Invalid value: "Web_1"'),
        (("type: NodePort", "clusterIP: 192.0.2.1"), "spec.clusterIPs: Invalid value"),
        (("port: 80", "port: 80\n    nodePort: 99"), "spec.ports[0].nodePort: Invalid value: 99"),
        (("spec:", "spec: ["), "error parsing STDIN"),
    ],
)
def test_bad_manifests(kubectl: Kubectl, change: tuple[str, str], message: str) -> None:
    complaint = kubectl.fails("apply", "-f", "-", given=SERVICE.replace(*change))
    assert message in complaint
    assert kubectl.ok("get", "svc", "-o", "name") == ""


def test_every_error_is_said_at_once(kubectl: Kubectl) -> None:
    bad = SERVICE.replace("port: 80", "port: 70000").replace("type: NodePort", "type: Spoon")
    complaint = kubectl.fails("apply", "-f", "-", given=bad)
    assert "spec.ports[0].port: Invalid value: 70000" in complaint
    assert 'spec.type: Unsupported value: "Spoon"' in complaint


def test_without_validation_unknown_fields_are_dropped(kubectl: Kubectl) -> None:
    odd = SERVICE.replace("type: NodePort", "spoon: big")
    done = kubectl.run("apply", "--validate=warn", "-f", "-", given=odd)
    assert (done.returncode, done.stderr) == (0, 'Warning: unknown field "spec.spoon"\n')
    assert "spoon: big" not in kubectl.ok("get", "svc", "web", "-o", "jsonpath={.spec}")
    assert kubectl.run("apply", "--validate=ignore", "-f", "-", given=odd).stderr == ""


def test_a_node_port_in_use(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    taken = kubectl.ok("get", "svc", "web", "-o", "jsonpath={.spec.ports[0].nodePort}")
    complaint = kubectl.fails("create", "service", "nodeport", "second", "--tcp=80", f"--node-port={taken}")
    assert f"Invalid value: {taken}: provided port is already allocated" in complaint
    assert kubectl.ok("get", "svc", "-o", "name") == "service/web\n"


def test_what_does_not_exist(kubectl: Kubectl) -> None:
    assert 'services "nothing" not found' in kubectl.fails("get", "svc", "nothing")
    assert 'the server doesn\'t have a resource type "spoons"' in kubectl.fails("get", "spoons")
    assert 'namespaces "nowhere" not found' in kubectl.fails("apply", "-n", "nowhere", "-f", "-", given=SERVICE)


def test_a_long_body(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "long.yaml"
    manifest.write_text(SERVICE.replace("labels: {app: web}", f"annotations: {{long: {'x' * 2_000_000}}}"))
    assert "may not be more than 262144 bytes" in kubectl.fails("create", "-f", str(manifest))
    manifest.write_text(SERVICE.replace("labels: {app: web}", f"annotations: {{long: {'x' * 4_000_000}}}"))
    assert "Request entity too large: limit is 3145728" in kubectl.fails("create", "-f", str(manifest))
    assert kubectl.ok("get", "svc", "-o", "name") == ""


def test_a_wrong_token(kubectl: Kubectl, server: Server, tmp_path: Path) -> None:
    tree = yaml.safe_load(server.kubeconfig.read_text())
    tree["users"][0]["user"] = {"token": "wrong"}
    wrong = tmp_path / "wrong"
    wrong.write_text(yaml.safe_dump(tree))
    assert "You must be logged in to the server" in kubectl.fails(f"--kubeconfig={wrong}", "get", "svc")


def test_files_are_private(server: Server) -> None:
    private = [server.kubeconfig, *server.directory.glob("data/pki/**/*.*"), *server.directory.glob("data/tokens.csv")]
    assert len(private) == 11
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
