"""Every object that is printed: what Kubernetes' published schemas, an API server and common sense say of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from moorage.cli.kubectl import find_kubectl
from moorage.deploy.emit import plain, stream_of
from moorage.deploy.given import values_of
from moorage.deploy.objects import trees
from moorage.deploy.rights import SYSTEM
from moorage.model.kinds import BY_NAME
from moorage.model.metallb import METALLB_NAMESPACE
from moorage.model.wire import Tree
from tests.server import Server

EVERYTHING = ["node.dnsPort=53", "edge.enabled=true", "apiServer.host=192.0.2.1", "image.pullSecrets=[{name: x}]"]
NOTHING = ["namespace.create=false", "controller.networkPolicy=false", "node.localhostNodePorts=false", "node.tolerations="]


def printed(*settings: str) -> list[Tree]:
    return [plain(each) for each in trees(values_of({}, settings))]


def called(tree: Tree) -> str:
    return f"{tree['kind']}-{tree['metadata']['name']}"


@pytest.mark.parametrize("version", ["1.29", "1.36"])
@pytest.mark.parametrize("settings", [[], EVERYTHING, NOTHING], ids=["defaults", "everything", "nothing"])
def test_objects_fit_the_published_schemas(version: str, settings: list[str]) -> None:
    for each in printed(*settings):
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_would_find_a_mistake() -> None:
    (found,) = [each for each in printed() if each["kind"] == "DaemonSet"]
    found["spec"]["template"]["spec"]["hostNetwerk"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, "1.29", strict=True)


@pytest.mark.parametrize("settings", [[], EVERYTHING], ids=["defaults", "everything"])
def test_the_embedded_server_takes_the_kinds_that_it_has(server: Server, tmp_path: Path, settings: list[str]) -> None:
    """kubectl checks them first against its OpenAPI document, strictly."""
    kubectl = [find_kubectl(), f"--kubeconfig={server.kubeconfig}", f"--cache-dir={tmp_path}"]
    wanted = [each for each in trees(values_of({}, settings)) if (each["apiVersion"], each["kind"]) in BY_NAME]
    kinds = {each["kind"] for each in wanted}
    assert kinds == {"Namespace", "ServiceAccount", "ConfigMap"}
    for mode in (("apply", "--dry-run=client", "--validate=strict"), ("apply", "--validate=strict")):
        done = subprocess.run(
            [*kubectl, *mode, "-f", "-"], input=stream_of(wanted), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == len(wanted)


def test_names_and_namespaces() -> None:
    every = printed(*EVERYTHING)
    assert len({(called(each), each["metadata"].get("namespace")) for each in every}) == len(every)
    for each in every:
        cluster_wide = each["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")
        namespace = each["metadata"].get("namespace")
        assert (namespace is None) if cluster_wide else namespace in (SYSTEM, "kube-system", METALLB_NAMESPACE), called(each)
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "moorage"


def pods(*settings: str) -> dict[str, Tree]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in printed(*settings)
        if each["kind"] in ("DaemonSet", "Deployment")
    }


@pytest.mark.parametrize("name", ["moorage-node", "moorage-controller"])
def test_pods_have_no_more_than_they_need(name: str) -> None:
    spec = pods()[name]["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    assert "privileged" not in security
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in spec["volumes"]}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert {"livenessProbe", "readinessProbe"} <= container.keys()
    if name == "moorage-controller":
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert "add" not in security["capabilities"]
        assert not spec.get("hostNetwork")
    else:
        assert security["capabilities"]["add"] == ["NET_ADMIN", "NET_RAW"]


@pytest.mark.parametrize("name", ["moorage-node", "moorage-controller"])
def test_applied_again_nothing_changes(name: str) -> None:
    """An API server leaves out what is empty, and fills in `apiVersion` of a `fieldRef`, a field that is owned whole."""

    def walk(path: str, node: Any) -> Iterator[tuple[str, Any]]:
        yield path, node
        for key, each in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ()):
            yield from walk(f"{path}.{key}", each)

    every = list(walk("", pods()[name]))
    assert [path for path, node in every if node in ({}, [], None)] == []
    assert all(node["apiVersion"] == "v1" for path, node in every if path.endswith(".fieldRef"))


def test_selectors_select_their_pods() -> None:
    templates = pods()
    for each in printed():
        name = each["metadata"]["name"]
        spec = each.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector") or {}
        if each["kind"] in ("DaemonSet", "Deployment", "PodDisruptionBudget", "NetworkPolicy"):
            assert selector["matchLabels"].items() <= templates[name]["metadata"]["labels"].items()
            others = [template for other, template in templates.items() if other != name]
            assert not any(selector["matchLabels"].items() <= other["metadata"]["labels"].items() for other in others)


def test_accounts_are_there_and_bound() -> None:
    every = printed(*EVERYTHING)
    accounts = {each["metadata"]["name"] for each in every if each["kind"] == "ServiceAccount"}
    roles = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in every}
    assert {template["spec"]["serviceAccountName"] for template in pods().values()} < accounts
    for each in every:
        if each["kind"].endswith("Binding"):
            assert (each["roleRef"]["kind"], each["metadata"].get("namespace"), each["roleRef"]["name"]) in roles
            assert [(subject["name"] in accounts, subject["namespace"]) for subject in each["subjects"]] == [(True, SYSTEM)]


def test_a_changed_configuration_rolls_out() -> None:
    def marks(*settings: str) -> dict[str, str]:
        return {name: each["metadata"]["annotations"]["moorage.dev/configuration"] for name, each in pods(*settings).items()}

    changed = marks("node.clusterCIDRs=10.0.0.0/8")
    assert changed["moorage-node"] != marks()["moorage-node"]
    assert changed["moorage-controller"] == marks()["moorage-controller"]


def test_without_the_kinds_of_metallb() -> None:
    kinds = {each["kind"] for each in trees(values_of({}, []), skip_crds=True)}
    assert "CustomResourceDefinition" not in kinds
    assert "DaemonSet" in kinds


@pytest.mark.parametrize(("settings", "host"), [([], None), (["apiServer.host=api.example"], "api.example")])
def test_how_the_api_server_is_reached(settings: list[str], host: Any) -> None:
    for template in pods(*settings).values():
        (container,) = template["spec"]["containers"]
        environment = {each["name"]: each.get("value") for each in container.get("env", ())}
        assert environment.get("KUBERNETES_SERVICE_HOST") == host
        assert environment.get("KUBERNETES_SERVICE_PORT") == (host and "6443")
