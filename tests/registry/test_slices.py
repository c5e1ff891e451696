"""EndpointSlice rules (`pkg/apis/discovery/validation/validation.go`)."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.kinds import ENDPOINT_SLICES
from moorage.model.slices import EndpointSlice
from tests.registry.world import World, causes, refused


def slice_of(*endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1"}, "addressType": "IPv4", "endpoints": list(endpoints), **more}


E = "endpoints[0]"
ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("type required", {"metadata": {"name": "a"}}, ["addressType: Required value"]),
    (
        "bad type",
        slice_of(addressType="IP"),
        ['addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"'],
    ),
    ("addresses required", slice_of({}), [f"{E}.addresses: Required value: must contain at least 1 address"]),
    (
        "too many addresses",
        slice_of({"addresses": ["10.0.0.1"] * 101}),
        [f"{E}.addresses: Too many: 101: must have at most 100 items"],
    ),
    (
        "no address",
        slice_of({"addresses": ["x"]}),
        [f'{E}.addresses[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
    (
        "other family",
        slice_of({"addresses": ["fd00::1"]}),
        [f'{E}.addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'],
    ),
    (
        "other family 6",
        slice_of({"addresses": ["10.0.0.1"]}, addressType="IPv6"),
        [f'{E}.addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address'],
    ),
    (
        "loopback",
        slice_of({"addresses": ["127.0.0.1"]}),
        [f'{E}.addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ),
    (
        "too many endpoints",
        slice_of(*[{"addresses": ["10.0.0.1"]}] * 1001),
        ["endpoints: Too many: 1001: must have at most 1000 items"],
    ),
    (
        "hostname",
        slice_of({"addresses": ["10.0.0.1"], "hostname": "a.b"}),
        [f'{E}.hostname: Invalid value: "a.b": must not contain dots'],
    ),
    (
        "zone hints",
        slice_of({"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}),
        [f'{E}.hints.forZones[1].name: Duplicate value: "a"'],
    ),
    (
        "too many hints",
        slice_of({"addresses": ["10.0.0.1"], "hints": {"forNodes": [{"name": f"n{n}"} for n in range(9)]}}),
        [f"{E}.hints.forNodes: Too many: 9: must have at most 8 items"],
    ),
    (
        "ports",
        slice_of(ports=[{"port": 0, "protocol": "X"}, {"port": 80, "name": "a.b"}, {"port": 81}]),
        [
            'ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
            "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            'ports[1].name: Invalid value: "a.b": must not contain dots',
            'ports[2].name: Duplicate value: ""',
        ],
    ),
]


@pytest.mark.parametrize(("tree", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(tree: dict[str, Any], expected: list[str]) -> None:
    world = World()
    assert causes(refused(world, lambda: world.create(ENDPOINT_SLICES, tree), 422)) == expected


def test_names_of_hosts_are_accepted_where_the_type_says_so() -> None:
    World().create(ENDPOINT_SLICES, slice_of({"addresses": ["db.example.com"]}, addressType="FQDN"))


def test_defaults_and_generation() -> None:
    """SetDefaults_EndpointPort; endpointSliceStrategy.PrepareForUpdate counts endpoints, ports and labels."""
    world = World()
    world.create(ENDPOINT_SLICES, slice_of({"addresses": ["10.244.0.2"]}, ports=[{"port": 80}]))
    found = world.get(EndpointSlice, "web-1")
    assert (found.ports[0].protocol, found.metadata.generation) == ("TCP", 1)
    world.merge(ENDPOINT_SLICES, "web-1", {"metadata": {"annotations": {"a": "b"}}})
    assert world.get(EndpointSlice, "web-1").metadata.generation == 1
    world.merge(ENDPOINT_SLICES, "web-1", {"metadata": {"labels": {"a": "b"}}})
    world.merge(ENDPOINT_SLICES, "web-1", {"endpoints": []})
    assert world.get(EndpointSlice, "web-1").metadata.generation == 3


def test_the_type_is_immutable() -> None:
    world = World()
    world.create(ENDPOINT_SLICES, slice_of())
    error = refused(world, lambda: world.merge(ENDPOINT_SLICES, "web-1", {"addressType": "IPv6"}), 422)
    assert causes(error) == ['addressType: Invalid value: "IPv6": field is immutable']
