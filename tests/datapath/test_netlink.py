from __future__ import annotations

import struct

import pytest

from moorage.datapath import netlink


def test_an_attribute_is_padded_but_its_length_is_not() -> None:
    assert netlink.attribute(3, b"abcde") == struct.pack("=HH", 9, 3) + b"abcde\0\0\0"
    assert netlink.text(1, "abc") == struct.pack("=HH", 8, 1) + b"abc\0"
    assert netlink.be32(2, -4) == struct.pack("=HH", 8, 2) + b"\xff\xff\xff\xfc"


def test_attributes_come_back_without_the_nested_flag() -> None:
    packed = netlink.nested(1, netlink.text(2, "x"), netlink.be32(3, 7)) + netlink.attribute(9, b"")
    (outer, inner), (last, nothing) = netlink.attributes(packed)
    assert (outer, last, nothing) == (1, 9, b"")
    assert list(netlink.attributes(inner)) == [(2, b"x\0"), (3, b"\0\0\0\7")]


@pytest.mark.parametrize("torn", [struct.pack("=HH", 3, 1), struct.pack("=HH", 9, 1) + b"abcd"])
def test_a_torn_attribute_is_an_error(torn: bytes) -> None:
    with pytest.raises(ValueError, match="torn netlink attribute at byte 0"):
        list(netlink.attributes(torn))


def test_messages_carry_length_type_family_and_resource() -> None:
    made = netlink.message(0x0A0C, netlink.NLM_F_CREATE, 2, b"body", resource=10)
    assert made == struct.pack("=IHHII", 24, 0x0A0C, 0x401, 0, 0) + b"\x02\x00\x00\x0a" + b"body"


def test_a_datagram_is_cut_into_messages() -> None:
    first = struct.pack("=IHHII", 20, 2, 0, 7, 0) + b"\0\0\0\0"
    second = struct.pack("=IHHII", 18, 5, 2, 8, 0) + b"ab\0\0"
    assert list(netlink.replies(first + second)) == [(2, 0, 7, b"\0\0\0\0"), (5, 2, 8, b"ab")]
    with pytest.raises(ValueError, match="torn netlink message"):
        list(netlink.replies(first[:-1]))
