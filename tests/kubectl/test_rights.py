"""Who may do what, asked by kubectl: `auth can-i`, `auth whoami`, `--as`, and verbs that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from moorage.run.kubeconfig import by_token
from tests.kubectl.conftest import Kubectl
from tests.kubectl.manifests import SERVICE
from tests.server import Server


@pytest.fixture
def reader(server: Server, tmp_path: Path) -> str:
    """The option that makes a kubectl the reader's."""
    lines = (server.directory / "data" / "tokens.csv").read_text().splitlines()
    token = next(line.split(",")[0] for line in lines if ",reader," in line)
    return f"--kubeconfig={_with_user(server, tmp_path / 'reader', by_token(token))}"


def _with_user(server: Server, path: Path, credential: object) -> Path:
    tree = yaml.safe_load(server.kubeconfig.read_text())
    tree["users"][0]["user"] = credential
    path.write_text(yaml.safe_dump(tree))
    return path


def test_who_am_i(kubectl: Kubectl, reader: str) -> None:
    told = yaml.safe_load(kubectl.ok("auth", "whoami", "-o", "yaml"))["status"]["userInfo"]
    assert (told["username"], told["groups"]) == ("admin", ["system:masters", "system:authenticated"])
    told = yaml.safe_load(kubectl.ok("auth", "whoami", "-o", "yaml", reader))["status"]["userInfo"]
    assert (told["username"], told["groups"]) == ("reader", ["moorage:readers", "system:authenticated"])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("list pods", "yes"),
        ("get endpointslices --all-namespaces", "yes"),
        ("watch services/web", "yes"),
        ("get nodes", "yes"),
        ("get pods --subresource=status", "yes"),
        ("get /metrics", "yes"),
        ("delete services", "no"),
        ("create pods --subresource=binding", "no"),
        ("get secrets", "no"),
        ("* *", "no"),
    ],
)
def test_can_i(kubectl: Kubectl, reader: str, question: str, answer: str) -> None:
    done = kubectl.run("auth", "can-i", *question.split(), reader)
    assert (done.stdout.splitlines()[-1], done.returncode) == (answer, 0 if answer == "yes" else 1)
    assert kubectl.ok("auth", "can-i", *question.split()).splitlines()[-1] == "yes"


def test_can_i_list(kubectl: Kubectl, reader: str) -> None:
    table = kubectl.ok("auth", "can-i", "--list", reader)
    assert "services  " in table
    assert "secrets" not in table
    assert "*.*  " in kubectl.ok("auth", "can-i", "--list")


def test_a_reader_is_refused(kubectl: Kubectl, reader: str) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    assert "service/web" in kubectl.ok("get", "svc", "-o", "name", reader)
    place = f'in the namespace "{kubectl.namespace}"'
    refused = kubectl.fails("delete", "svc", "web", reader)
    what = 'User "reader" cannot delete resource "services" in API group ""'
    assert refused == f'Error from server (Forbidden): services "web" is forbidden: {what} {place}\n'
    refused = kubectl.fails("apply", "-f", "-", reader, given=SERVICE.replace("port: 80", "port: 81"))
    assert 'cannot patch resource "services" in API group ""' in refused
    assert kubectl.ok("get", "svc", "web", "-o", "name") == "service/web\n"


def test_a_service_account(kubectl: Kubectl, server: Server, tmp_path: Path) -> None:
    """Without bindings it may do what every authenticated user may: discovery, and asking about itself."""
    kubectl.ok("create", "serviceaccount", "web")
    token = kubectl.ok("create", "token", "web").strip()
    account = f"--kubeconfig={_with_user(server, tmp_path / 'account', by_token(token))}"
    told = yaml.safe_load(kubectl.ok("auth", "whoami", "-o", "yaml", account))["status"]["userInfo"]
    name = f"system:serviceaccount:{kubectl.namespace}:web"
    assert (told["username"], told["groups"]) == (
        name,
        ["system:serviceaccounts", f"system:serviceaccounts:{kubectl.namespace}", "system:authenticated"],
    )
    assert "endpointslices" in kubectl.ok("api-resources", account)
    what = f'User "{name}" cannot list resource "pods" in API group "" in the namespace "{kubectl.namespace}"'
    assert f"pods is forbidden: {what}" in kubectl.fails("get", "pods", account)
    kubectl.ok("delete", "serviceaccount", "web")
    assert "You must be logged in to the server" in kubectl.fails("get", "pods", account)


def test_acting_as_another(kubectl: Kubectl, reader: str) -> None:
    as_node = ("--as=system:node:node-1", "--as-group=system:nodes")
    assert kubectl.ok("auth", "can-i", "patch", "nodes/node-1", "--subresource=status", *as_node).strip() == "yes"
    assert kubectl.run("auth", "can-i", "patch", "nodes/node-2", "--subresource=status", *as_node).stdout.strip() == "no"
    groups = yaml.safe_load(kubectl.ok("auth", "whoami", "-o", "yaml", "--as=system:serviceaccount:default:web"))
    assert groups["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    refused = kubectl.fails("get", "svc", "--as=admin", reader)
    assert 'users "admin" is forbidden: User "reader" cannot impersonate resource "users" in API group ""' in refused
