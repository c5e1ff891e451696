from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from moorage.announce.bfd import HEADER, BFDPeer, BFDSettings, BFDState, bfd_settings, changes, read_state, subscription
from moorage.model.meta import ObjectMeta
from moorage.model.metallb import BFDProfile, BFDProfileSpec

FAST = BFDSettings("fast", receive=100, transmit=150, multiplier=3)


def peer(settings: BFDSettings = FAST, multi_hop: bool = False, address: str = "198.18.0.1") -> BFDPeer:
    return BFDPeer(ip_address(address), ip_address("198.18.0.11"), multi_hop, settings)


def test_a_profile_says_what_it_sets() -> None:
    spec = BFDProfileSpec(receive_interval=100, echo_mode=True, echo_interval=40)
    profile = BFDProfile(metadata=ObjectMeta(name="p"), spec=spec)
    assert bfd_settings(profile) == BFDSettings("p", receive=100, echo=40, echo_mode=True)


def test_sessions_come_with_their_settings() -> None:
    assert changes((), (peer(),)) == (
        "enable",
        "configure terminal",
        "bfd",
        "peer 198.18.0.1 local-address 198.18.0.11",
        "receive-interval 100",
        "transmit-interval 150",
        "detect-multiplier 3",
        "no shutdown",
        "exit",
        "end",
    )


def test_sessions_over_routers_have_no_echo_and_may_have_a_least_ttl() -> None:
    """RFC 5883 section 3: echoes are for one hop."""
    given = BFDSettings("far", echo=50, echo_mode=True, passive=True, minimum_ttl=250)
    far, near = changes((), (peer(given, multi_hop=True),)), changes((), (peer(given),))
    assert "peer 198.18.0.1 multihop local-address 198.18.0.11" in far
    assert "minimum-ttl 250" in far
    assert "echo-mode" not in far
    assert "minimum-ttl 250" not in near
    assert "echo-mode" in near
    assert {"passive-mode", "echo transmit-interval 50", "echo receive-interval 50"} <= set(near) & set(far)


def test_only_what_changes_is_said() -> None:
    assert changes((peer(),), (peer(),)) == ()
    slow = BFDSettings("slow")
    commands = changes((peer(), peer(address="198.18.0.2")), (peer(slow), peer(address="198.18.0.2")))
    assert commands == (
        "enable",
        "configure terminal",
        "bfd",
        "no peer 198.18.0.1 local-address 198.18.0.11",
        "peer 198.18.0.1 local-address 198.18.0.11",
        "no shutdown",
        "exit",
        "end",
    )


def test_the_subscription_is_a_message_of_bfdds() -> None:
    message = subscription()
    assert HEADER.unpack(message[: HEADER.size]) == (8, 1, 4, 1)
    assert struct.unpack("=Q", message[HEADER.size :]) == (1,)


def test_states() -> None:
    status = b'{"op":"status","ipv6":false,"peer-address":"198.18.0.1","state":"%s","diagnostics":1}'
    assert read_state(4, status % b"up") == BFDState(ip_address("198.18.0.1"), "up")
    assert read_state(4, status % b"up").up  # type: ignore[union-attr]
    assert not read_state(4, status % b"down").up  # type: ignore[union-attr]
    assert read_state(4, b'{"op":"add","peer-address":"198.18.0.1"}') is None
    assert read_state(1, b'{"status":"ok"}') is None
    with pytest.raises(ValueError, match="JSON"):
        read_state(4, b"\xff")
