"""The chart and the kustomize base: current in the repository, and the same objects as `moorage manifests` prints.

Helm's own library renders and lints; `kubectl kustomize` builds. Neither needs a cluster.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from moorage.cli.kubectl import find_kubectl
from moorage.deploy.emit import plain
from moorage.deploy.given import values_of
from moorage.deploy.helm import chart
from moorage.deploy.kustomize import base
from moorage.deploy.objects import trees
from moorage.deploy.values import Values, as_tree
from tests.rules.source import ROOT

CHART, BASE = ROOT / "deploy" / "helm" / "moorage", ROOT / "deploy" / "kustomize" / "base"
SETTINGS = {
    "defaults": "",
    "everything on": "node: {dnsPort: 53}\nedge: {enabled: true}\napiServer: {host: api.example, port: 443}",
    "everything off": "namespace: {create: false}\ncontroller: {networkPolicy: false}\nnode: {localhostNodePorts: false}",
    "odd texts": "image: {repository: 'r.test:5000/a', tag: '1.10'}\nnode: {nodeSelector: {'a/b': 'x<y>&\"%v'}}",
    "lists": "node: {clusterCIDRs: [10.0.0.0/8, 'fd00::/8'], tolerations: []}\nimage: {pullSecrets: [{name: x}]}",
    "resources": "node: {resources: {requests: {cpu: 1}, limits: {memory: 1Gi}}}\ncontroller: {replicas: 0}",
}


def key(tree: Mapping[str, Any]) -> tuple[str, str, str]:
    return tree["kind"], tree["metadata"].get("namespace", ""), tree["metadata"]["name"]


def by_key(every: Iterator[Any] | list[Any]) -> dict[tuple[str, str, str], Any]:
    made = {key(each): each for each in every if each}
    assert made
    return made


def printed(text: str) -> dict[tuple[str, str, str], Any]:
    return by_key([plain(each) for each in trees(values_of({"values": text} if text else {}, []))])


def rendered(values: Mapping[str, Any]) -> dict[tuple[str, str, str], Any]:
    with helm_python.Chart.load(str(CHART)) as loaded:
        loaded.validate_schema(dict(values))
        files = loaded.render(loaded.merge_values(dict(values)), name="moorage", namespace="moorage-system")
        texts = [text for name, text in files.items() if name.endswith(".yaml")]
        texts += [each["data"] for each in loaded.crds]
    return by_key([each for text in texts for each in yaml.safe_load_all(text)])


@pytest.mark.parametrize(("directory", "made"), [(CHART, chart()), (BASE, base(Values()))], ids=["helm", "kustomize"])
def test_what_is_committed_is_what_is_made(directory: Path, made: dict[str, str]) -> None:
    there = {each.relative_to(directory).as_posix(): each.read_text() for each in directory.rglob("*") if each.is_file()}
    assert there == made, f"run: moorage manifests --format helm|kustomize --out {directory.relative_to(ROOT)}"


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
def test_helm_renders_what_is_printed(text: str) -> None:
    assert rendered(yaml.safe_load(text) or {}) == printed(text)


def test_helm_finds_nothing_wrong() -> None:
    found = helm_python.lint(str(CHART), strict=True)
    assert found["errors"] == []
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


def test_helm_knows_every_value() -> None:
    """Defaults are the same, and a key that is not there is refused by the schema."""
    assert yaml.safe_load((CHART / "values.yaml").read_text()) == yaml.safe_load(yaml.safe_dump(as_json(Values())))
    refused: list[dict[str, Any]] = [
        {"imag": {}},
        {"node": {"dnsport": 53}},
        {"node": {"dnsPort": "x"}},
        {"image": {"tag": 1}},
    ]
    for wrong in refused:
        with pytest.raises(helm_python.HelmError):
            rendered(wrong)


def as_json(values: Values) -> Any:
    def lists(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: lists(each) for name, each in node.items()}
        return [lists(each) for each in node] if isinstance(node, list | tuple) else node

    return lists(as_tree(values))


def test_every_value_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    for above, line in pairwise(lines):
        if line and not line.lstrip().startswith("#"):
            assert above.lstrip().startswith("#"), line
            assert len(above.strip()) > 3, line


def test_kustomize_builds_what_is_printed() -> None:
    built = subprocess.run([find_kubectl(), "kustomize", str(BASE)], capture_output=True, text=True, check=True).stdout
    assert by_key(yaml.safe_load_all(built)) == printed("")
