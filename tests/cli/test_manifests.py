"""`moorage manifests` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from moorage.deploy.helm import chart
from moorage.deploy.kustomize import base
from moorage.deploy.values import Values
from tests.cli.test_main import moorage


def test_objects_are_printed_and_a_missing_address_is_told(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("controller: {replicas: 3}\n")
    done = moorage("manifests", "--values", str(tmp_path / "values.yaml"), "--set", "image.tag=9")
    assert done.returncode == 0
    assert "apiServer.host is not set" in done.stderr
    every = list(yaml.safe_load_all(done.stdout))
    (deployment,) = [each for each in every if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/moorage:9"
    assert "# where load-balancer addresses come from" in done.stdout


def test_json_for_programs() -> None:
    done = moorage("manifests", "--format", "json", "--set", "apiServer.host=192.0.2.1", "--skip-crds")
    assert done.stderr == ""
    kinds = {each["kind"] for each in json.loads(done.stdout)["items"]}
    assert {"DaemonSet", "NetworkPolicy"} <= kinds
    assert "CustomResourceDefinition" not in kinds


def test_files_are_written(tmp_path: Path) -> None:
    assert moorage("manifests", "--format", "helm", "--out", str(tmp_path / "chart")).returncode == 0
    assert moorage("manifests", "--format", "kustomize", "--out", str(tmp_path / "base")).returncode == 0
    for directory, files in (("chart", chart()), ("base", base(Values()))):
        assert {path: (tmp_path / directory / path).read_text() for path in files} == files


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "node.dnsport=53"), "did you mean node.dnsPort?"),
        (("--values", "/nowhere"), "cannot read /nowhere"),
        (("--format", "helm"), "--out DIR"),
        (("--format", "helm", "--out", "x", "--set", "image.tag=1"), "give --set and --values to helm"),
        (("--format", "kustomize", "--out", "x", "--skip-crds"), "--skip-crds"),
        (("--out", "x"), "--out is for"),
    ],
)
def test_used_wrongly(arguments: tuple[str, ...], told: str) -> None:
    done = moorage("manifests", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""
