"""The datagrams between speakers, as MessagePack arrays: read without trust in whoever sent them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

VERSION = 1
"""The first element of every datagram; a speaker heeds only its own version."""

LARGEST = 60_000
"""Bytes. Only a datagram that lists claims anew is longer than some hundred; 3,000 IPv6 addresses fit."""

Name = Annotated[str, Meta(max_length=253)]
Packed = Annotated[bytes, Meta(min_length=4, max_length=16)]
Count = Annotated[int, Meta(ge=0)]


class Ack(msgspec.Struct, frozen=True, array_like=True):
    """What the sender, as a voter, grants the receiver: all that the receiver claimed in its `generation`, but for
    `refused`.

    `stamp` is that of the receiver's newest heartbeat, by the receiver's clock.
    """

    incarnation: Count
    stamp: float
    generation: Count
    refused: tuple[Packed, ...] = ()


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """One heartbeat, made for one receiver.

    `incarnation` is new at each start of a speaker without the memory of the one before. `stamp` is the sender's clock,
    in seconds. `able`: it may be given addresses. `generation` counts the changes of its claims; `claims` is left out
    where the receiver has acknowledged this generation, and so is `members`, the voters of `epoch`, where the receiver
    knows them. `ack` is left out where the sender may not vote.
    """

    version: int
    name: Name
    incarnation: Count
    stamp: float
    epoch: Count
    able: bool
    generation: Count
    claims: tuple[Packed, ...] | None = None
    members: tuple[Name, ...] | None = None
    ack: Ack | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Beat)


def encode(beat: Beat) -> bytes:
    return _encoder.encode(beat)


def decode(datagram: bytes) -> Beat | None:
    """None for what is none, or of another version."""
    try:
        beat = _decoder.decode(datagram)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return beat if beat.version == VERSION and beat.stamp == beat.stamp else None
