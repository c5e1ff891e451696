"""MetalLB's announcements: rows are cases of its `internal/config/config_test.go` and the schemas of its definitions."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.durations import parse_duration
from moorage.model.kinds import BFD_PROFILES, BGP_ADVERTISEMENTS, BGP_PEERS, COMMUNITIES, L2_ADVERTISEMENTS, Kind
from moorage.model.metallb import BGPAdvertisement, BGPPeer
from tests.registry.world import World, refused

PEER = {"myASN": 42, "peerASN": 142, "peerAddress": "1.2.3.4"}


@pytest.mark.parametrize(
    ("kind", "spec", "fields"),
    [
        (L2_ADVERTISEMENTS, {"ipAddressPools": ["a", "a"]}, ["spec.ipAddressPools[1]"]),
        (L2_ADVERTISEMENTS, {"nodeSelectors": [{"matchLabels": {"a": "b"}}] * 2}, ["spec.nodeSelectors[1]"]),
        (
            L2_ADVERTISEMENTS,
            {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]},
            ["spec.nodeSelectors[0].matchExpressions[0].operator"],
        ),
        (BGP_ADVERTISEMENTS, {"aggregationLength": 33}, ["spec.aggregationLength"]),
        (BGP_ADVERTISEMENTS, {"aggregationLength": 0}, ["spec.aggregationLength"]),
        (BGP_ADVERTISEMENTS, {"aggregationLengthV6": 129}, ["spec.aggregationLengthV6"]),
        (BGP_ADVERTISEMENTS, {"localPref": -1}, ["spec.localPref"]),
        (BGP_ADVERTISEMENTS, {"communities": ["1:2", "1:2"]}, ["spec.communities[1]"]),
        (BGP_ADVERTISEMENTS, {"communities": ["1:65536"]}, ["spec.communities[0]"]),
        (BGP_ADVERTISEMENTS, {"communities": ["big:1:2:3"]}, ["spec.communities[0]"]),
        (BGP_ADVERTISEMENTS, {"communities": ["large:1:2:x"]}, ["spec.communities[0]"]),
        (COMMUNITIES, {"communities": [{"name": "a", "value": "b"}]}, ["spec.communities[0].value"]),
        (
            COMMUNITIES,
            {"communities": [{"name": "a", "value": "1:1"}, {"name": "a", "value": "1:2"}]},
            ["spec.communities[1].name"],
        ),
        (BFD_PROFILES, {"receiveInterval": 9}, ["spec.receiveInterval"]),
        (BFD_PROFILES, {"detectMultiplier": 256}, ["spec.detectMultiplier"]),
        (BFD_PROFILES, {"minimumTtl": 255}, ["spec.minimumTtl"]),
        (BGP_PEERS, {}, ["spec.myASN", "spec.peerASN", "spec.peerAddress"]),
        (BGP_PEERS, {**PEER, "dynamicASN": "external"}, ["spec.dynamicASN"]),
        (BGP_PEERS, {**PEER, "peerASN": 0, "dynamicASN": "sideways"}, ["spec.dynamicASN"]),
        (BGP_PEERS, {**PEER, "peerASN": 42, "ebgpMultiHop": True}, ["spec.ebgpMultiHop"]),
        (BGP_PEERS, {**PEER, "interface": "eth0"}, ["spec.interface"]),
        (BGP_PEERS, {**PEER, "peerAddress": "here"}, ["spec.peerAddress"]),
        (BGP_PEERS, {**PEER, "routerID": "x"}, ["spec.routerID"]),
        (BGP_PEERS, {**PEER, "peerPort": 16385}, ["spec.peerPort"]),
        (BGP_PEERS, {**PEER, "holdTime": "1s"}, ["spec.holdTime"]),
        (BGP_PEERS, {**PEER, "holdTime": "30s", "keepaliveTime": "90s"}, ["spec.keepaliveTime"]),
        (BGP_PEERS, {**PEER, "connectTime": "500ms"}, ["spec.connectTime", "spec.connectTime"]),
        (BGP_PEERS, {**PEER, "password": "x", "passwordSecret": {"name": "y"}}, ["spec.passwordSecret"]),
    ],
)
def test_what_is_wrong(kind: Kind, spec: dict[str, Any], fields: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(kind, {"metadata": {"name": "it"}, "spec": spec}), 422)
    assert [each["field"] for each in error.details["causes"]] == fields


def test_defaults() -> None:
    world = World()
    world.create(BGP_ADVERTISEMENTS, {"metadata": {"name": "it"}, "spec": {"communities": ["no-export"]}})
    world.create(BGP_PEERS, {"metadata": {"name": "it"}, "spec": PEER})
    spec = world.get(BGPAdvertisement, "it").spec
    assert (spec.aggregation_length, spec.aggregation_length_v6) == (32, 128)
    assert world.get(BGPPeer, "it").spec.peer_port == 179


def test_graceful_restart_stays() -> None:
    world = World()
    world.create(BGP_PEERS, {"metadata": {"name": "it"}, "spec": PEER})
    refused(world, lambda: world.merge(BGP_PEERS, "it", {"spec": {"enableGracefulRestart": True}}), 422)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), ("0", 0), ("", None), ("5", None), ("-1s", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    """Source: Go's `time.ParseDuration`."""
    assert parse_duration(text) == seconds
