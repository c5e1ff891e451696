"""What a valid Service is: each row names the upstream rule (`pkg/apis/core/validation/validation.go`)."""

# ruff: noqa: E501  (a row is a line, and upstream's sentences are kept whole)
from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import SERVICES
from tests.registry.world import World, causes, refused

BETWEEN = "must be between 1 and 65535, inclusive"
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
ONE = [{"port": 80}]
LB: dict[str, Any] = {"type": "LoadBalancer", "ports": ONE}

ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    # ports, as ValidateService has them
    ("ports required", {"ports": []}, ["spec.ports: Required value"]),
    ("ports required: NodePort", {"type": "NodePort"}, ["spec.ports: Required value"]),
    # validateServicePort
    ("port 0", {"ports": [{"targetPort": 80}]}, [f"spec.ports[0].port: Invalid value: 0: {BETWEEN}"]),
    (
        "port too large",
        {"ports": [{"port": 70000}]},
        [
            f"spec.ports[0].port: Invalid value: 70000: {BETWEEN}",
            f"spec.ports[0].targetPort: Invalid value: 70000: {BETWEEN}",
        ],
    ),
    (
        "names required with several ports",
        {"ports": [{"port": 80}, {"port": 81, "name": "b"}, {"port": 82}]},
        ["spec.ports[0].name: Required value", "spec.ports[2].name: Required value"],
    ),
    (
        "duplicate name",
        {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]},
        ['spec.ports[1].name: Duplicate value: "a"'],
    ),
    ("bad name", {"ports": [{"port": 80, "name": "A"}]}, [f'spec.ports[0].name: Invalid value: "A": {LABEL}']),
    (
        "bad protocol",
        {"ports": [{"port": 80, "protocol": "HTTP"}]},
        ['spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        "bad target port name",
        {"ports": [{"port": 80, "targetPort": "a--b_"}]},
        [
            'spec.ports[0].targetPort: Invalid value: "a--b_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
            'spec.ports[0].targetPort: Invalid value: "a--b_": must not contain consecutive hyphens',
        ],
    ),
    (
        "target port name without a letter",
        {"ports": [{"port": 80, "targetPort": "8080"}]},
        ['spec.ports[0].targetPort: Invalid value: "8080": must contain at least one letter (a-z)'],
    ),
    (
        "target port name too long",
        {"ports": [{"port": 80, "targetPort": "a234567890123456"}]},
        ['spec.ports[0].targetPort: Invalid value: "a234567890123456": must be no more than 15 bytes'],
    ),
    (
        "target port out of range",
        {"ports": [{"port": 80, "targetPort": -1}]},
        [f"spec.ports[0].targetPort: Invalid value: -1: {BETWEEN}"],
    ),
    # duplicates of (protocol, port) and (protocol, nodePort)
    (
        "duplicate port",
        {"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]},
        ['spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}'],
    ),
    (
        "duplicate node port",
        {"type": "NodePort", "ports": [{"port": 1, "name": "a", "nodePort": 30001}, {"port": 2, "name": "b", "nodePort": 30001}]},
        ["spec.ports[1].nodePort: Duplicate value: 30001"],
    ),
    (
        "node port of a ClusterIP Service",
        {"ports": [{"port": 80, "nodePort": 30001}]},
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ),
    # type
    (
        "bad type",
        {"type": "Cluster", "ports": ONE},
        ['spec.type: Unsupported value: "Cluster": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
    ),
    (
        "headless LoadBalancer",
        {**LB, "clusterIP": "None"},
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services"],
    ),
    (
        "headless NodePort",
        {"type": "NodePort", "ports": ONE, "clusterIP": "None"},
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    # ExternalName
    ("ExternalName without a name", {"type": "ExternalName"}, ["spec.externalName: Required value"]),
    (
        "ExternalName with addresses",
        {
            "type": "ExternalName", "externalName": "db.example.com.", "clusterIP": "10.96.0.5",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        },
        [
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
        ],
    ),
    # selector
    (
        "bad selector",
        {"ports": ONE, "selector": {"a b": "x"}},
        [
            'spec.selector: Invalid value: "a b": name part must consist of alphanumeric characters, \'-\', \'_\' or \'.\', and must '
            "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
            "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ],
    ),
    # session affinity
    (
        "bad affinity",
        {"ports": ONE, "sessionAffinity": "Cookie"},
        ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
    ),
    (
        "affinity timeout",
        {"ports": ONE, "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"
        ],
    ),
    # addresses, as ValidateNonSpecialIP has them
    (
        "external addresses",
        {"ports": ONE, "externalIPs": ["x", "127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "198.18.0.7"]},
        [
            'spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
            'spec.externalIPs[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
            'spec.externalIPs[2]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
            'spec.externalIPs[3]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
            'spec.externalIPs[4]: Invalid value: "224.0.0.1": may not be in the link-local multicast range '
            "(224.0.0.0/24, ff02::/10)",
        ],
    ),
    # source ranges (upstream spells the path with a capital L)
    (
        "source ranges of a ClusterIP Service",
        {"ports": ONE, "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ),
    (
        "bad source range",
        {**LB, "loadBalancerSourceRanges": [" 10.0.0.0/8 ", "10.0.0.1"]},
        [
            'spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.1": must be a valid CIDR value, '
            "(e.g. 10.9.8.0/24 or 2001:db8::/64)"
        ],
    ),
    # load-balancer fields
    (
        "load-balancer fields elsewhere",
        {"ports": ONE, "allocateLoadBalancerNodePorts": True, "loadBalancerClass": "a.example/b"},
        [
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ],
    ),
    # traffic policies
    (
        "external policy inside",
        {"ports": ONE, "externalTrafficPolicy": "Local"},
        ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ),
    (
        "bad policies",
        {**LB, "externalTrafficPolicy": "Zone", "internalTrafficPolicy": "Zone", "trafficDistribution": "Near"},
        [
            'spec.externalTrafficPolicy: Unsupported value: "Zone": supported values: "Cluster", "Local"',
            'spec.internalTrafficPolicy: Unsupported value: "Zone": supported values: "Cluster", "Local"',
            'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", '
            '"PreferSameNode"',
        ],
    ),
    (
        "health check port without need",
        {**LB, "healthCheckNodePort": 30500},
        [
            "spec.healthCheckNodePort: Invalid value: 30500: may only be set when `type` is 'LoadBalancer' and "
            "`externalTrafficPolicy` is 'Local'"
        ],
    ),
    (
        "health check port out of range",
        {**LB, "externalTrafficPolicy": "Local", "healthCheckNodePort": 70000},
        [f"spec.healthCheckNodePort: Invalid value: 70000: {BETWEEN}"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(spec: dict[str, Any], expected: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}), 422)
    assert causes(error) == expected
    assert error.message.startswith('Service "web" is invalid: ')


ACCEPTED: list[dict[str, Any]] = [
    {"type": "ExternalName", "externalName": "db.example.com."},
    {"clusterIP": "None"},  # headless needs no ports
    {"clusterIP": "None", "selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": "http"}]},
    {"ports": [{"port": 53, "name": "tcp"}, {"port": 53, "name": "udp", "protocol": "UDP"}]},
    {"ports": ONE, "externalIPs": ["198.18.0.7"], "externalTrafficPolicy": "Local"},  # externally accessible
    {**LB, "loadBalancerClass": "example.com/internal", "allocateLoadBalancerNodePorts": False},
    {"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]},
    {"ports": ONE, "trafficDistribution": "PreferSameZone"},
    {"ports": ONE, "sessionAffinity": "None", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},  # dropped
]


@pytest.mark.parametrize("spec", ACCEPTED)
def test_accepted(spec: dict[str, Any]) -> None:
    World().create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"ingress": [{"ip": "x"}]}, ['ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
        ({"ingress": [{"ip": "198.18.100.1", "ipMode": "Odd"}]}, ['ingress[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"']),
        ({"ingress": [{"hostname": "a.example", "ipMode": "VIP"}]}, ["ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"]),
        ({"ingress": [{"hostname": "10.0.0.1"}]}, ['ingress[0].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address']),
    ],
)  # fmt: skip
def test_status_rules(status: dict[str, Any], expected: list[str]) -> None:
    world = World()
    world.service(type="LoadBalancer")
    error = refused(world, lambda: world.merge(SERVICES, "web", {"status": {"loadBalancer": status}}, "status"), 422)
    assert causes(error) == [f"status.loadBalancer.{each}" for each in expected]


def test_a_status_without_load_balancer_type() -> None:
    world = World()
    world.service()
    patch = {"status": {"loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]}}}
    error = refused(world, lambda: world.merge(SERVICES, "web", patch, "status"), 422)
    assert causes(error) == ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]
