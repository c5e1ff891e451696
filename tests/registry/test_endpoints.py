"""Endpoints rules (`pkg/apis/core/validation/validation.go`, and `TestValidateEndpointsCreate` beside it)."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.endpoints import Endpoints
from moorage.model.kinds import ENDPOINTS
from tests.registry.world import World, causes, refused

Tree = dict[str, Any]


def of(*subsets: Tree, **metadata: Any) -> Tree:
    return {"metadata": {"name": "web", **metadata}, "subsets": list(subsets)}


def one(**more: Any) -> Tree:
    return {"addresses": [{"ip": "10.10.1.1"}], "ports": [{"port": 80}], **more}


P = "subsets[0].ports[0]"
A = "subsets[0].addresses[0]"
IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
REFUSED: list[tuple[str, Tree, list[str]]] = [
    ("none", {"ports": [{"port": 80}]}, ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
    (
        "no address at all",
        one(addresses=[{"ip": "[2001:db8::1]"}]),
        [f'{A}.ip: Invalid value: "[2001:db8::1]": {IP}',
         f'{A}.ip: Invalid value: "[2001:db8::1]": must be a valid IP address'],
    ),
    (
        "several ports need names",
        one(ports=[{"port": 80, "name": "a"}, {"port": 81}]),
        ["subsets[0].ports[1].name: Required value"],
    ),
    ("port 0", one(ports=[{}]), [f"{P}.port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    ("port 66000", one(ports=[{"port": 66000}]), [f"{P}.port: Invalid value: 66000: must be between 1 and 65535, inclusive"]),
    (
        "protocol",
        one(ports=[{"port": 80, "protocol": "Protocol"}]),
        [f'{P}.protocol: Unsupported value: "Protocol": supported values: "SCTP", "TCP", "UDP"'],
    ),
    ("name", one(ports=[{"port": 80, "name": "-a"}]), [f'{P}.name: Invalid value: "-a": {LABEL}']),
    ("hostname", one(addresses=[{"ip": "10.10.1.1", "hostname": "-h"}]), [f'{A}.hostname: Invalid value: "-h": {LABEL}']),
    (
        "loopback",
        one(addresses=[{"ip": "127.0.0.1"}]),
        [f'{A}.ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ),
    (
        "link-local, not ready",
        {"notReadyAddresses": [{"ip": "169.254.169.254"}]},
        ['subsets[0].notReadyAddresses[0].ip: Invalid value: "169.254.169.254": '
         "may not be in the link-local range (169.254.0.0/16, fe80::/10)"],
    ),
    ("app protocol", one(ports=[{"port": 80, "appProtocol": "lots of[invalid}chars"}]), [f"{P}.appProtocol: Invalid value: "]),
    ("node name", one(addresses=[{"ip": "10.10.1.1", "nodeName": "a/b"}]), [f"{A}.nodeName: Invalid value: "]),
]  # fmt: skip


@pytest.mark.parametrize(("subset", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(subset: Tree, expected: list[str]) -> None:
    world = World()
    said = causes(refused(world, lambda: world.create(ENDPOINTS, of(subset)), 422))
    assert len(said) == len(expected)
    assert [text[: len(start)] for text, start in zip(said, expected, strict=True)] == expected


ACCEPTED: list[tuple[str, tuple[Tree, ...]]] = [
    ("empty", ()),
    ("no ports", ({"addresses": [{"ip": "10.10.1.1"}]},)),
    ("one port needs no name", (one(),)),
    ("several subsets", (one(), one(ports=[{"port": 81, "name": "b"}, {"port": 82, "name": "c", "protocol": "UDP"}]))),
    ("all of an address", (one(addresses=[{"ip": "2001:db8::1", "hostname": "h", "nodeName": "n.a", "targetRef": {}}]),)),
]


@pytest.mark.parametrize("subsets", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_what_is_accepted(subsets: tuple[Tree, ...]) -> None:
    world = World()
    world.create(ENDPOINTS, of(*subsets))
    made = world.get(Endpoints, "web")
    assert [port.protocol for subset in made.subsets for port in subset.ports if not port.protocol] == []
    assert made.metadata.generation == 0
    assert world.update(ENDPOINTS, "web", of(*subsets)).record.revision == world.store.revision


def test_put_creates() -> None:
    """`AllowCreateOnUpdate` of `pkg/registry/core/endpoint/strategy.go`."""
    world = World()
    assert world.update(ENDPOINTS, "web", of(one(), namespace="default")).created


def test_an_unusual_spelling_is_warned_of_except_where_the_controller_writes() -> None:
    """`endpointsWarnings` of `pkg/registry/core/endpoint/strategy.go`."""
    world = World()
    odd = one(addresses=[{"ip": "10.0.0.1"}, {"ip": "2001:DB8::1"}])
    assert world.create(ENDPOINTS, of(odd)).warnings == (
        'subsets[0].addresses[1].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    )
    managed = of(odd, labels={"endpoints.kubernetes.io/managed-by": "endpoint-controller"})
    assert world.update(ENDPOINTS, "web", managed).warnings == ()
