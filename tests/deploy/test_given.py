"""Values from files and `--set`: what they become, and what is wrong with them."""

from __future__ import annotations

import tomllib

import pytest

from moorage.deploy.given import known_paths, values_of
from moorage.deploy.values import VERSION, Values
from moorage.model.errors import UserError
from tests.rules.source import ROOT


def test_nothing_given() -> None:
    assert values_of({}, []) == Values()


def test_the_version_is_that_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("image.tag=1.10", "image.tag", "1.10"),
        ("image.repository=registry.test:5000/a=b", "image.repository", "registry.test:5000/a=b"),
        ("controller.replicas=3", "controller.replicas", 3),
        ("node.localhostNodePorts=false", "node.localhost_node_ports", False),
        ("node.clusterCIDRs=10.0.0.0/8,fd00::/8", "node.cluster_cidrs", ("10.0.0.0/8", "fd00::/8")),
        ("node.clusterCIDRs={10.0.0.0/8}", "node.cluster_cidrs", ("10.0.0.0/8",)),
        ("node.clusterCIDRs=[10.0.0.0/8]", "node.cluster_cidrs", ("10.0.0.0/8",)),
        ("node.clusterCIDRs=", "node.cluster_cidrs", ()),
        ("node.tolerations=[{key: a, operator: Exists}]", "node.tolerations", ({"key": "a", "operator": "Exists"},)),
        (
            "node.nodeSelector.example\\.com/pool=edge",
            "node.node_selector",
            {"kubernetes.io/os": "linux", "example.com/pool": "edge"},
        ),
        ("node.resources.requests.cpu=1", "node.resources.requests", {"cpu": 1, "memory": "200Mi"}),
    ],
)
def test_set(setting: str, path: str, value: object) -> None:
    found: object = values_of({}, [setting])
    for each in path.split("."):
        found = getattr(found, each)
    assert found == value


def test_later_files_and_settings_win() -> None:
    files = {"a": "node: {dnsPort: 1, healthPort: 2}", "b": "node: {dnsPort: 3}\ncontroller: {replicas: 5}"}
    values = values_of(files, ["controller.replicas=7"])
    assert (values.node.dns_port, values.node.health_port, values.controller.replicas) == (3, 2, 7)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("node.dnsport=53", "there is no key node.dnsport: did you mean node.dnsPort?"),
        ("image.tg=1", "there is no key image.tg: did you mean image.tag?"),
        ("nodes.dnsPort=53", "there is no key nodes: did you mean node?"),
        ("dnsPort=53", "there is no key dnsPort: did you mean node.dnsPort?"),
        ("xyz=1", "there is no key xyz; beside it are image, namespace, apiServer, node, controller, edge"),
        ("node.dnsPort=dns", "node.dnsPort: expected `int`, got `str`"),
        ("controller.replicas=-1", "controller.replicas: expected `int` >= 0"),
        ("controller.loadBalancer=metal", "controller.loadBalancer: invalid enum value 'metal'"),
        ("node=3", "node: must be a mapping of clusterCIDRs"),
        ("image.tag", "must be KEY=VALUE"),
        ("image..tag=1", "must be KEY=VALUE"),
        ("node.tolerations=[{", "node.tolerations: expected `array`, got `str`"),
    ],
)
def test_what_is_wrong(setting: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        values_of({}, [setting])
    assert told in str(caught.value)
    assert setting in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        values_of({"mine.yaml": "imag: {}\nnode: {healthPort: 0}"}, ["edge.enable=true"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0] == "mine.yaml: there is no key imag: did you mean image?"
    assert lines[1].startswith("mine.yaml: node.healthPort: ")


def test_a_file_that_is_no_yaml_is_named() -> None:
    with pytest.raises(UserError, match=r"mine\.yaml: line 2, column 1"):
        values_of({"mine.yaml": "a: ["}, [])


def test_every_path_is_known() -> None:
    paths = list(known_paths())
    assert len(paths) == len(set(paths))
    assert {"apiServer.host", "node.resources.limits", "edge.enabled"} <= set(paths)
