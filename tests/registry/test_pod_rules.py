"""What a valid Pod is, and what may change of it: each row names the upstream rule."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import PODS
from moorage.model.pods import Pod
from tests.registry.world import World, causes, refused

BETWEEN = "must be between 1 and 65535, inclusive"


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i", **fields}


def probe(**fields: Any) -> dict[str, Any]:
    return {"containers": [container(livenessProbe=fields)]}


AT = "spec.containers[0]"
ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    # validateContainers
    ("containers required", {}, ["spec.containers: Required value"]),
    ("name and image required", {"containers": [{}]}, [f"{AT}.name: Required value", f"{AT}.image: Required value"]),
    ("name with dots", {"containers": [container(name="a.b")]}, [f'{AT}.name: Invalid value: "a.b": must not contain dots']),
    ("duplicate name", {"containers": [container(), container()]}, ['spec.containers[1].name: Duplicate value: "c"']),
    (
        "duplicate init name",
        {"initContainers": [container()], "containers": [container()]},
        [f'{AT}.name: Duplicate value: "c"'],
    ),
    (
        "blank image",
        {"containers": [container(image=" i")]},
        [f'{AT}.image: Invalid value: " i": must not have leading or trailing whitespace'],
    ),
    (
        "pull policy",
        {"containers": [container(imagePullPolicy="Often")]},
        [f'{AT}.imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    # validateContainerPorts
    ("container port required", {"containers": [container(ports=[{}])]}, [f"{AT}.ports[0].containerPort: Required value"]),
    (
        "ports",
        {
            "containers": [
                container(
                    ports=[
                        {"containerPort": 70000, "hostPort": -1, "protocol": "X", "name": "a"},
                        {"containerPort": 1, "name": "a"},
                    ]
                )
            ]
        },
        [
            f"{AT}.ports[0].containerPort: Invalid value: 70000: {BETWEEN}",
            f"{AT}.ports[0].hostPort: Invalid value: -1: {BETWEEN}",
            f'{AT}.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
            f'{AT}.ports[1].name: Duplicate value: "a"',
        ],
    ),
    (
        "host network",
        {"hostNetwork": True, "containers": [container(ports=[{"containerPort": 80, "hostPort": 81}])]},
        [f"{AT}.ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true"],
    ),
    # ValidateEnv
    (
        "env",
        {"containers": [container(env=[{}, {"name": "A=B"}])]},
        [
            f"{AT}.env[0].name: Required value",
            f"{AT}.env[1].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='",
        ],
    ),
    (
        "env twice",
        {"containers": [container(env=[{"name": "A", "value": "b", "valueFrom": {}}])]},
        [f'{AT}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    # validateProbe, validateHandler
    ("no handler", probe(), [f"{AT}.livenessProbe: Required value: must specify a handler type"]),
    (
        "two handlers",
        probe(httpGet={"port": 80}, tcpSocket={"port": 80}),
        [f"{AT}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    ("exec", probe(exec={}), [f"{AT}.livenessProbe.exec.command: Required value"]),
    ("probe port", probe(tcpSocket={"port": 0}), [f"{AT}.livenessProbe.tcpSocket.port: Invalid value: 0: {BETWEEN}"]),
    (
        "probe scheme",
        probe(httpGet={"port": "http", "scheme": "FTP"}),
        [f'{AT}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"'],
    ),
    (
        "negative",
        probe(tcpSocket={"port": 1}, periodSeconds=-1),
        [f"{AT}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"],
    ),
    (
        "liveness once",
        probe(tcpSocket={"port": 1}, successThreshold=2),
        [f"{AT}.livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    ),
    (
        "readiness grace",
        {"containers": [container(readinessProbe={"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 1})]},
        [f"{AT}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes"],
    ),
    # ValidatePodSpec
    (
        "policies",
        {"containers": [container()], "restartPolicy": "Once", "dnsPolicy": "Mine"},
        [
            'spec.restartPolicy: Unsupported value: "Once": supported values: "Always", "OnFailure", "Never"',
            'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
        ],
    ),
    (
        "deadline",
        {"containers": [container()], "activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    (
        "hostname",
        {"containers": [container()], "hostname": "a.b"},
        ['spec.hostname: Invalid value: "a.b": must not contain dots'],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(spec: dict[str, Any], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(PODS, {"metadata": {"name": "web"}, "spec": spec}), 422)
    assert causes(error) == expected


BASE = {"containers": [container()], "tolerations": [{"key": "a", "tolerationSeconds": 5}], "activeDeadlineSeconds": 100}


@pytest.mark.parametrize(
    "change",
    [
        {"containers": [container(image="j")]},
        {"activeDeadlineSeconds": 50},
        {"tolerations": [{"key": "b"}, {"key": "a", "tolerationSeconds": 9}]},
    ],
)
def test_what_may_change(change: dict[str, Any]) -> None:
    world = World()
    world.create(PODS, {"metadata": {"name": "web"}, "spec": BASE})
    revision = world.store.revision
    world.merge(PODS, "web", {"spec": change})
    assert world.store.revision == revision + 1


FIELDS = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: "
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"containers": [container(), container(name="d")]},
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
        ({"containers": [container(command=["x"])]}, f"{FIELDS}spec.containers"),
        ({"nodeName": "node-1", "dnsPolicy": "Default"}, f"{FIELDS}spec.dnsPolicy, spec.nodeName"),
        ({"terminationGracePeriodSeconds": 5}, f"{FIELDS}spec.terminationGracePeriodSeconds"),
        (
            {"activeDeadlineSeconds": 101},
            "spec.activeDeadlineSeconds: Invalid value: 101: must be less than or equal to previous value of 100",
        ),
        (
            {"activeDeadlineSeconds": None},
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ),
        (
            {"tolerations": [{"key": "b"}]},
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
    ],
)
def test_what_may_not_change(change: dict[str, Any], expected: str) -> None:
    """ValidatePodUpdate."""
    world = World()
    world.create(PODS, {"metadata": {"name": "web"}, "spec": BASE})
    assert causes(refused(world, lambda: world.merge(PODS, "web", {"spec": change}), 422)) == [expected]


def test_a_negative_grace_may_become_one() -> None:
    world = World()
    world.create(PODS, {"metadata": {"name": "web"}, "spec": {**BASE, "terminationGracePeriodSeconds": -1}})
    world.merge(PODS, "web", {"spec": {"terminationGracePeriodSeconds": 1}})
    assert world.get(Pod, "web").spec.termination_grace_period_seconds == 1
