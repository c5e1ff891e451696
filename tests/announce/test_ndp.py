from __future__ import annotations

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from moorage.announce.ndp import ALL_NODES, checksum, unsolicited

MAC = bytes.fromhex("020000000001")
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
