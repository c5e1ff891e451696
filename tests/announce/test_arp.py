from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from moorage.announce import arp
from moorage.announce.arp import gratuitous

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000009")
VIP = IPv4Address("198.18.100.1")


def test_frames_byte_for_byte() -> None:
    request, reply = gratuitous(MAC, IPv4Address("198.18.100.1"))
    ethernet = "ffffffffffff 020000000001 0806"
    assert request == bytes.fromhex(ethernet + "0001 0800 06 04 0001 020000000001 c6126401 000000000000 c6126401")
    assert reply == bytes.fromhex(ethernet + "0001 0800 06 04 0002 020000000001 c6126401 020000000001 c6126401")


def test_a_question_is_read_and_answered() -> None:
    asked = arp.Arp(True, OTHER, IPv4Address("192.0.2.9"), VIP)
    frame = arp.answer(MAC, asked)
    assert frame[:6] == OTHER
    assert arp.read(frame) == arp.Arp(False, MAC, VIP, IPv4Address("192.0.2.9"))


def test_what_is_told_unasked_is_read_as_such() -> None:
    request, reply = arp.gratuitous(MAC, VIP)
    assert arp.read(request) == arp.Arp(True, MAC, VIP, VIP)
    assert arp.read(reply) == arp.Arp(False, MAC, VIP, VIP)


@given(st.binary(max_size=60))
def test_other_frames_say_nothing(frame: bytes) -> None:
    found = arp.read(frame)
    assert found is None or frame[12:14] == b"\x08\x06"


def test_frames_of_other_hardware_and_operations_say_nothing() -> None:
    frame, _ = arp.gratuitous(MAC, VIP)
    assert arp.read(frame[:14] + b"\0\6" + frame[16:]) is None
    assert arp.read(frame[:20] + b"\0\3" + frame[22:]) is None
    assert arp.read(frame[:40]) is None
