from __future__ import annotations

from ipaddress import IPv4Address

from moorage.announce.arp import gratuitous

MAC = bytes.fromhex("020000000001")


def test_frames_byte_for_byte() -> None:
    request, reply = gratuitous(MAC, IPv4Address("198.18.100.1"))
    ethernet = "ffffffffffff 020000000001 0806"
    assert request == bytes.fromhex(ethernet + "0001 0800 06 04 0001 020000000001 c6126401 000000000000 c6126401")
    assert reply == bytes.fromhex(ethernet + "0001 0800 06 04 0002 020000000001 c6126401 020000000001 c6126401")
