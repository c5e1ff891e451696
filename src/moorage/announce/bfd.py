"""BFDProfiles -> the words of FRR's bfdd, and what it tells of its sessions.

bfdd takes configuration at its vty socket (commands end in NUL, answers in three NULs and a status octet), and tells of state
changes at its control socket: messages of a header (length, id, type, version: 4, 2, 1 and 1 octets, big-endian) and JSON.

Source: RFC 5880, RFC 5881, RFC 5883; FRR `bfdd/bfdctl.h`, `lib/vty.c`; defaults as MetalLB `api/v1beta1/bfdprofile_types.go`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import msgspec

from moorage.model.metallb import BFDProfile
from moorage.model.net import Address, parse_address

VTY_END = b"\0\0\0"
HEADER = struct.Struct("!IHBB")
_NOTIFY, _VERSION, _PEER_STATE = 4, 1, 1
MOST_BYTES = 1 << 20
"""Of one message; more is no message of bfdd's."""


class BFDSettings(msgspec.Struct, frozen=True):
    """Intervals in milliseconds; None leaves FRR's default (300 ms, 3 times, echo 50 ms, a TTL of 254)."""

    profile: str
    receive: int | None = None
    transmit: int | None = None
    multiplier: int | None = None
    echo: int | None = None
    echo_mode: bool = False
    passive: bool = False
    minimum_ttl: int | None = None


class BFDPeer(msgspec.Struct, frozen=True):
    """One session of bfdd's. `multi_hop` is RFC 5883."""

    address: Address
    source: Address
    multi_hop: bool
    settings: BFDSettings


class BFDState(msgspec.Struct, frozen=True):
    """`word` is up, down, init or adm-down."""

    address: Address
    word: str

    @property
    def up(self) -> bool:
        return self.word == "up"


def bfd_settings(profile: BFDProfile) -> BFDSettings:
    spec = profile.spec
    return BFDSettings(
        profile=profile.metadata.name,
        receive=spec.receive_interval,
        transmit=spec.transmit_interval,
        multiplier=spec.detect_multiplier,
        echo=spec.echo_interval,
        echo_mode=bool(spec.echo_mode),
        passive=bool(spec.passive_mode),
        minimum_ttl=spec.minimum_ttl,
    )


def changes(before: Iterable[BFDPeer], after: Iterable[BFDPeer]) -> tuple[str, ...]:
    """The vty commands that lead from one set of sessions to another; none where nothing changes."""
    old, new = set(before), set(after)
    gone = sorted(old - new, key=str)
    come = sorted(new - old, key=str)
    if not gone and not come:
        return ()
    commands = ["enable", "configure terminal", "bfd"]
    commands += [f"no {_peer(each)}" for each in gone]
    for each in come:
        commands += [_peer(each), *_settings(each), "no shutdown", "exit"]
    return (*commands, "end")


def _peer(peer: BFDPeer) -> str:
    return f"peer {peer.address}{' multihop' if peer.multi_hop else ''} local-address {peer.source}"


def _settings(peer: BFDPeer) -> list[str]:
    """Set on the peer itself: a profile of bfdd's is shared, and names of two namespaces could meet in it."""
    given = peer.settings
    numbers = {
        "receive-interval": given.receive,
        "transmit-interval": given.transmit,
        "detect-multiplier": given.multiplier,
        "echo transmit-interval": given.echo,
        "echo receive-interval": given.echo,
        "minimum-ttl": given.minimum_ttl if peer.multi_hop else None,
    }
    commands = [f"{name} {value}" for name, value in numbers.items() if value is not None]
    commands += ["passive-mode"] if given.passive else []
    return commands + (["echo-mode"] if given.echo_mode and not peer.multi_hop else [])


def subscription() -> bytes:
    """The message that asks for the states there are, and for every change. The mask is in the order of the machine."""
    body = struct.pack("=Q", _PEER_STATE)
    return HEADER.pack(len(body), 1, _NOTIFY, _VERSION) + body


def read_state(kind: int, body: bytes) -> BFDState | None:
    """What a message of this type tells, or None where it tells no state. Raises ValueError for what is not bfdd's."""
    told = msgspec.json.decode(body, type=dict[str, object])
    address = parse_address(str(told.get("peer-address", "")))
    if kind != _NOTIFY or told.get("op") != "status" or address is None:
        return None
    return BFDState(address, str(told.get("state", "")))
