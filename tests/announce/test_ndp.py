from __future__ import annotations

import struct
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from moorage.announce import ndp
from moorage.announce.ndp import ALL_NODES, checksum, unsolicited

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000009")
VIP = IPv6Address("2001:db8::1:64")
ADDRESS = IPv6Address("2001:db8::1")


def test_frame_byte_for_byte() -> None:
    frame = unsolicited(MAC, ADDRESS)
    source, target = "20010db8000000000000000000000001", "ff020000000000000000000000000001"
    assert frame[:14] == bytes.fromhex("333300000001 020000000001 86dd")
    assert frame[14:54] == bytes.fromhex("60000000 0020 3a ff" + source + target)
    assert frame[54:56] == bytes.fromhex("88 00")
    assert frame[58:] == bytes.fromhex("20000000" + source + "02 01 020000000001")


@given(st.binary(min_size=6, max_size=6), st.ip_addresses(v=6))
def test_the_checksum_makes_the_whole_sum_to_zero(mac: bytes, address: IPv6Address) -> None:
    assert checksum(address, ALL_NODES, unsolicited(mac, address)[54:]) == 0


def test_a_known_checksum() -> None:
    """An echo request, worked out by hand: type 128, identifier 1, sequence 1, no data, from and to ::1."""
    loopback = IPv6Address("::1")
    total = 1 + 1 + 8 + 58 + 0x8000 + 1 + 1
    assert checksum(loopback, loopback, bytes.fromhex("80000000 00010001")) == 0xFFFF - total


def solicitation(sender: IPv6Address, target: IPv6Address, option: bool = True) -> bytes:
    body = struct.pack("!I16s", 0, target.packed) + (struct.pack("!BB6s", 1, 1, OTHER) if option else b"")
    group = ndp.solicited_node(target)
    unsummed = struct.pack("!BBH", 135, 0, 0) + body
    message = struct.pack("!BBH", 135, 0, ndp.checksum(sender, group, unsummed)) + body
    ethernet = bytes.fromhex("3333") + group.packed[-4:] + OTHER + b"\x86\xdd"
    return ethernet + struct.pack("!IHBB16s16s", 6 << 28, len(message), 58, 255, sender.packed, group.packed) + message


def test_a_question_is_read_and_answered() -> None:
    sender = IPv6Address("2001:db8::9")
    asked = ndp.read(solicitation(sender, VIP))
    assert asked == ndp.Ndp(True, OTHER, sender, VIP)
    frame = ndp.answer(MAC, asked)
    assert frame[:6] == OTHER
    assert ndp.read(frame) == ndp.Ndp(False, MAC, VIP, VIP)
    assert frame[58] & 0xE0 == 0x60  # solicited, override


def test_who_has_no_address_yet_is_answered_with_all_others() -> None:
    asked = ndp.read(solicitation(IPv6Address(0), VIP, option=False))
    assert asked is not None
    assert ndp.answer(MAC, asked) == ndp.unsolicited(MAC, VIP)


def test_the_group_in_which_an_address_is_asked_for() -> None:
    assert ndp.solicited_node(IPv6Address("2001:db8::1:2345")) == IPv6Address("ff02::1:ff01:2345")


def test_damaged_and_routed_frames_say_nothing() -> None:
    good = solicitation(IPv6Address("2001:db8::9"), VIP)
    assert ndp.read(good) is not None
    for at in range(12, len(good)):
        if not 14 <= at < 18:  # traffic class and flow label are in no checksum
            assert ndp.read(good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :]) is None, at
    assert ndp.read(good[:21] + b"\xfe" + good[22:]) is None
    assert ndp.read(good[:70]) is None
