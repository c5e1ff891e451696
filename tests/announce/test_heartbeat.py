from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from moorage.announce.heartbeat import LARGEST, VERSION, Ack, Beat, decode, encode
from moorage.announce.speaker import Speaker
from moorage.announce.wish import View, Wish

PLAIN = Beat(VERSION, "node-1", 1, 2.5, 3, True, 4)

counts = st.integers(0, (1 << 63) - 1)
packed = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
beats = st.builds(
    Beat,
    version=st.just(VERSION),
    name=st.text(max_size=253),
    incarnation=counts,
    stamp=st.floats(allow_nan=False),
    epoch=counts,
    able=st.booleans(),
    generation=counts,
    claims=st.none() | st.lists(packed, max_size=5).map(tuple),
    members=st.none() | st.lists(st.text(max_size=253), max_size=5).map(tuple),
    ack=st.none() | st.builds(Ack, counts, st.floats(allow_nan=False), counts, st.lists(packed, max_size=5).map(tuple)),
)


@given(beats)
def test_what_is_sent_is_what_is_read(beat: Beat) -> None:
    assert decode(encode(beat)) == beat


@given(st.binary(max_size=200))
def test_anything_may_arrive(datagram: bytes) -> None:
    decode(datagram)


@given(beats, st.data())
def test_damaged_ones_are_read_or_left(beat: Beat, data: st.DataObject) -> None:
    datagram = bytearray(encode(beat))
    datagram[data.draw(st.integers(0, len(datagram) - 1))] ^= data.draw(st.integers(1, 255))
    found = decode(bytes(datagram))
    assert found is None or found.version == VERSION


def test_other_versions_are_not_heeded() -> None:
    assert decode(encode(msgspec.structs.replace(PLAIN, version=VERSION + 1))) is None
    assert decode(encode(msgspec.structs.replace(PLAIN, stamp=float("nan")))) is None


def test_a_later_version_may_add_to_the_end() -> None:
    longer = msgspec.msgpack.encode([*msgspec.to_builtins(PLAIN), "more"])
    assert decode(longer) == PLAIN


def test_the_longest_one_fits() -> None:
    claims = tuple(number.to_bytes(16, "big") for number in range(3000))
    assert len(encode(msgspec.structs.replace(PLAIN, claims=claims))) < LARGEST


def voter(**more: object) -> Speaker:
    made = Speaker.begin("a", 1, 0.0)
    made.follow(Wish("a", {"a": (), "b": ()}, view=View(2, ("a", "b"))), 0.0)
    return made


def ack_of(speaker: Speaker, now: float) -> Ack | None:
    beat = decode(speaker.beat_for("b", now))
    assert beat is not None
    return beat.ack


def test_who_has_an_older_view_is_granted_nothing() -> None:
    speaker = voter()
    claims = (b"\0\0\0\1",)
    old = Beat(VERSION, "b", 5, 1.0, 1, True, 1, claims, ())
    speaker.receive(old, 1.0)
    assert ack_of(speaker, 1.0) is None
    speaker.receive(msgspec.structs.replace(old, stamp=1.1, epoch=2), 1.1)
    assert ack_of(speaker, 1.1) == Ack(5, 1.1, 1)


def test_strangers_are_not_heeded() -> None:
    speaker = voter()
    speaker.receive(Beat(VERSION, "stranger", 5, 1.0, 9, True, 1, (b"\0\0\0\1",), ("stranger",)), 1.0)
    assert speaker.memory.membership.view.epoch == 2
    assert "stranger" not in speaker.memory.grants.records
