from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from moorage.announce import arp, ndp
from moorage.announce.address_probe import claimed, question
from moorage.model.net import Address

US, THEM = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FOUR, SIX = IPv4Address("198.18.0.7"), IPv6Address("2001:db8::1:2:7")


def test_questions_byte_for_byte() -> None:
    assert question(US, FOUR) == bytes.fromhex(
        "ffffffffffff 020000000001 0806  0001 0800 06 04 0001 020000000001 00000000 000000000000 c6120007"
    )
    frame = question(US, SIX)
    assert frame[:14] == bytes.fromhex("3333ff020007 020000000001 86dd")
    assert frame[14:54] == bytes.fromhex("60000000 0018 3a ff") + bytes(16) + IPv6Address("ff02::1:ff02:7").packed
    assert ndp.read(frame) == ndp.Ndp(True, US, IPv6Address(0), SIX)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (arp.gratuitous(THEM, FOUR)[0], (FOUR, THEM)),
        (arp.gratuitous(THEM, FOUR)[1], (FOUR, THEM)),
        (arp.answer(THEM, arp.Arp(True, US, IPv4Address(0), FOUR)), (FOUR, THEM)),
        (question(THEM, FOUR), (FOUR, THEM)),
        (ndp.unsolicited(THEM, SIX), (SIX, THEM)),
        (question(THEM, SIX), (SIX, THEM)),
        (question(US, FOUR), None),
        (question(US, SIX), None),
        (ndp.unsolicited(US, SIX), None),
        (b"", None),
        (b"\xff" * 80, None),
    ],
)
def test_who_claims_an_address(frame: bytes, expected: tuple[Address, bytes] | None) -> None:
    assert claimed(frame, US) == expected
